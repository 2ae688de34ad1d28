import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { drive, pythonWith } from '../support/client-driver.ts';
import { freePort, startTestServer, type TestServer } from '../support/environment.ts';
import { openMcpApi, registerMcpApi } from '../support/mcp-api.ts';
import { comeToPortal, SCOPE } from '../support/owned-apis.ts';
import { forgetRegistrations, register } from '../support/registration.ts';

/** Whole applications in Python, each in a process of its own (python/*.py), with a user who only signs in and presses Allow. */

type Who = { sub: string; email: string | null; scope: string | null };

describe('Applications in Python', () => {
  let server: TestServer;
  let user: { id: string; email: string; password: string; username: string };
  before(async () => {
    server = await startTestServer();
    user = await server.createPerson();
  });
  after(() => server.close());

  const run = <Result>(python: string, script: string, settings: Record<string, unknown>) =>
    drive<Result>(server, user, [python, join(import.meta.dirname, 'python', script)], settings);

  /** A client that registered itself for an app that listens on localhost, as its developer would type it in. */
  async function onLoopback(path: string) {
    const port = await freePort();
    const client = await register(server, {
      redirect_uris: [`http://localhost:${port}${path}`],
      grant_types: ['authorization_code', 'refresh_token'],
    });
    return { port, clientId: client.client_id, clientSecret: client.client_secret };
  }

  const fastmcp = pythonWith('fastmcp');
  it("FastMCP's client registers itself, signs a user in, and calls a tool", { skip: fastmcp.skip }, async () => {
    const api = await openMcpApi(server);
    const seen = await run<{ sub: string; scopes: string[] }>(fastmcp.python, 'fastmcp_client.py', { api: `${api.origin}/mcp` });
    api.close();
    await forgetRegistrations(server);
    assert.deepEqual(seen, { sub: user.id, scopes: [SCOPE.name] });
  });

  it("FastMCP's server accepts JWT access tokens for its API", { skip: fastmcp.skip }, async () => {
    const port = await freePort();
    await registerMcpApi(server, await comeToPortal(server), `http://localhost:${port}/mcp`, 'jwt');
    const seen = await run<Who>(fastmcp.python, 'fastmcp_server.py', { port, scope: SCOPE.name });
    await forgetRegistrations(server);
    assert.deepEqual(seen, { sub: user.id, email: null, scope: SCOPE.name });
  });

  it("FastMCP's OIDCProxy passes the sign-in on, and its tool sees the e-mail", { skip: fastmcp.skip }, async () => {
    const client = await onLoopback('/auth/callback');
    await registerMcpApi(server, await comeToPortal(server), `http://localhost:${client.port}/mcp`);
    assert.deepEqual(await run<Who>(fastmcp.python, 'fastmcp_server.py', client), { sub: user.id, email: user.email, scope: null });
  });
});
