import { mcpServer } from '../clients/apps/mcp-server.mjs';
import type { TestServer } from './environment.ts';
import { comeToPortal, type Developer, fill, knowsScope, makeIntrospector, registerApi, SCOPE } from './owned-apis.ts';
import { type LoopbackApp, openApp } from './visitor.ts';

/** An API that a developer registers in the portal, served by the MCP SDK at its address plus `/mcp`. Its tool `whoami` needs the scope `SCOPE.name`. */
export async function openMcpApi(server: TestServer): Promise<LoopbackApp> {
  const developer = await comeToPortal(server);
  return openApp(async (origin) => {
    const path = await registerMcpApi(server, developer, `${origin}/mcp`);
    return mcpServer({ issuer: server.issuer, origin, scope: SCOPE.name, introspector: await makeIntrospector(developer, path) });
  });
}

/** Registers an API with one scope. @param format of its access tokens. @returns the path of the API's pages in the portal. */
export async function registerMcpApi(server: TestServer, developer: Developer, identifier: string, format = 'opaque'): Promise<string> {
  const path = await registerApi(developer, { identifier, format });
  await fill(developer, `${path}/scopes`, SCOPE);
  await knowsScope(server, SCOPE.name);
  return path;
}
