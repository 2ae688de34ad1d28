import type { Problem } from '../../../http/problem.ts';
import { composeSource } from '../../../http/render.ts';
import type { ClientRecord } from '../../../oauth/clients/inspection.ts';
import { isLoopback } from '../../../oauth/clients/redirect-uri.ts';
import type { ClientMetadata } from '../../../oauth/clients/store.ts';
import type { Visit } from '../../../pages/own-pages.ts';
import { changeClient } from '../clients/changing.ts';
import { kindOf, listOf } from '../clients/kind.ts';
import { callbackOf } from '../try/visit.ts';
import { factsOf } from './facts.ts';
import { inScript } from './quoting.ts';

/**
 * Owns the quick starts: for each framework what to install, the files, and how to run them, complete for this client. They run on the
 * developer's machine, so they use a redirect URI on loopback. The page registers one by a press where the client has none that fits.
 */

type Definition = {
  /** Whether the framework authenticates the app by a secret. */
  secret: boolean;
  port: number;
  /** The path of the redirect URI: `fixed` by the framework, or used when no other is registered. */
  path: string;
  fixed?: true;
  install?: string;
  /** Name of each file, and its view below views/developer/quick-starts. */
  files: [name: string, view: string][];
  run: string;
};

const NODE = { port: 3_000, path: '/callback', run: 'node server.mjs' };

export const QUICK_STARTS: Record<string, Definition> = {
  authjs: {
    ...NODE,
    secret: true,
    path: '/auth/callback/munjigi',
    fixed: true,
    install: 'npm install express@5 @auth/express@0.12',
    files: [['server.mjs', 'authjs']],
  },
  express: { ...NODE, secret: true, install: 'npm install express@5 express-openid-connect@3', files: [['server.mjs', 'express']] },
  django: {
    secret: true,
    port: 8_000,
    path: '/accounts/oidc/munjigi/login/callback/',
    fixed: true,
    install: "pip install 'django-allauth[socialaccount]'",
    files: [['app.py', 'django']],
    run: 'python app.py migrate && python app.py runserver PORT',
  },
  spring: {
    secret: true,
    port: 8_080,
    path: '/login/oauth2/code/munjigi',
    files: [
      ['pom.xml', 'spring_pom'],
      ['src/main/resources/application.yml', 'spring_yaml'],
      ['src/main/java/app/Application.java', 'spring_java'],
    ],
    run: 'mvn spring-boot:run',
  },
  go: {
    secret: true,
    port: 8_080,
    path: '/callback',
    install: 'go mod init app && go get github.com/coreos/go-oidc/v3@latest golang.org/x/oauth2@latest',
    files: [['main.go', 'go']],
    run: 'go run .',
  },
  aspnet: {
    secret: true,
    port: 5_000,
    path: '/signin-oidc',
    files: [
      ['app.csproj', 'aspnet_project'],
      ['Program.cs', 'aspnet'],
    ],
    run: 'dotnet run',
  },
  oidc_client_ts: {
    ...NODE,
    secret: false,
    install: 'npm install oidc-client-ts@3',
    files: [
      ['index.html', 'oidc_client_ts'],
      ['server.mjs', 'oidc_client_ts_server'],
    ],
  },
  mcp: {
    ...NODE,
    secret: false,
    install: 'npm install @modelcontextprotocol/sdk@1',
    files: [['client.mjs', 'mcp']],
    run: 'node client.mjs',
  },
};

export type QuickStart = {
  name: string;
  install: string | undefined;
  run: string;
  files: { name: string; id: string; text: string }[];
  redirectUri: string;
  /** Whether the client has the redirect URI. */
  registered: boolean;
};

/** @returns the names of the quick starts that fit a client; empty for one without users, or one that signs with a key. */
export function quickStartsFor(client: ClientRecord): string[] {
  const { takesCodes, authMethod } = kindOf(client);
  if (!takesCodes || authMethod === 'private_key_jwt') return [];
  const native = client.metadata['application_type'] === 'native';
  const fits = ([name, { secret }]: [string, Definition]) =>
    name === 'mcp' || (secret === (authMethod !== 'none') && !(native && name === 'oidc_client_ts'));
  return Object.entries(QUICK_STARTS)
    .filter(fits)
    .map(([name]) => name);
}

/** @param name one of quickStartsFor(). */
export function quickStart(visit: Visit, client: ClientRecord, name: string): QuickStart {
  const { fixed, port, path, files, install, run } = QUICK_STARTS[name] as Definition;
  const { redirectUri, registered } = redirectFor(visit, client, name);
  const url = new URL(redirectUri);
  const facts = {
    ...factsOf(visit, client, 'code'),
    redirectUri,
    path: fixed ? path : url.pathname,
    origin: url.origin,
    hostname: url.hostname,
    port: url.port || 80,
    inScript,
  };
  return {
    name,
    install,
    run: run.replace('PORT', url.port || String(port)),
    files: files.map(([file, view], n) => ({ name: file, id: `file-${n}`, text: composeSource(`developer/quick-starts/${view}`, facts) })),
    redirectUri,
    registered,
  };
}

/** @returns the registered redirect URI that fits, else one to register. */
function redirectFor({ app }: Visit, { metadata }: ClientRecord, name: string): { redirectUri: string; registered: boolean } {
  const { fixed, path, port } = QUICK_STARTS[name] as Definition;
  const own = callbackOf(app.config.issuer);
  const fits = (uri: string) => {
    const url = URL.parse(uri);
    return uri !== own && isLoopback(uri) && !!url?.port && (fixed ? url.pathname === path : url.pathname !== '/');
  };
  const found = listOf(metadata['redirect_uris']).find(fits);
  // An app on a device may listen on any port of 127.0.0.1 (RFC 8252 section 7.3).
  const host = metadata['application_type'] === 'native' ? '127.0.0.1' : 'localhost';
  return { redirectUri: found ?? `http://${host}:${port}${path}`, registered: found !== undefined };
}

/** Registers the redirect URI of a quick start. @returns the problems; empty when it is registered. */
export async function allowQuickStart(visit: Visit, client: ClientRecord, name: string): Promise<Problem[]> {
  const { redirectUri, registered } = redirectFor(visit, client, name);
  if (registered) return [];
  const stored: ClientMetadata = { ...client.metadata, client_id: client.id };
  return changeClient(visit, client, { ...stored, redirect_uris: [...listOf(stored['redirect_uris']), redirectUri] }, ['redirect_uris']);
}
