import type { Feature } from '../../../feature.ts';
import { languageOf } from '../../../http/language.ts';
import { compose } from '../../../http/render.ts';
import type { App } from '../../../oauth/app.ts';
import type { ClientRecord } from '../../../oauth/clients/inspection.ts';
import { ROUTES } from '../../../oauth/routes.ts';
import type { OwnPage, Visit } from '../../../pages/own-pages.ts';
import { IDENTITY_SCOPES } from '../../../people/claims.ts';
import { kindOf, listOf } from '../clients/kind.ts';
import { ownClient } from '../clients/owned.ts';
import { showClient } from '../clients/page.ts';
import { ownScopes } from '../clients/scope-choice.ts';
import { callbackOf } from '../try/visit.ts';
import { curlTo } from './curl.ts';
import { inDoubleQuotes, inGo, inPython, inShell, inSpring } from './quoting.ts';

/**
 * Owns the code samples: files of views/developer/snippets, with the client's id, URIs and scopes as literals of the language. They never
 * contain a secret: the code reads it from the environment. They omit the client's name, because its owner can put any text there.
 */

export const snippets: OwnPage = {
  async show(visit) {
    const client = await ownClient(visit);
    const flows = flowsOf(client);
    showClient(visit, client, 'snippets', {
      groups: flows.map((flow) => ({ own: flow === 'own', files: filesOf(visit, client, flow) })),
      kind: kindOf(client),
      registered: registeredUri(visit.app, client) !== undefined,
    });
  },
};

type Flow = 'code' | 'own';

const flowsOf = (client: ClientRecord): Flow[] => {
  const { takesCodes, own } = kindOf(client);
  return [...(takesCodes ? (['code'] as const) : []), ...(own ? (['own'] as const) : [])];
};

const FILES = ['curl', 'node', 'python', 'go', 'spring_yaml', 'spring_java'] as const;

/** @returns the files that can authenticate this client. A signature needs a library; of these, only Node's needs few lines. */
const filesFor = (authMethod: string) => FILES.filter((file) => authMethod !== 'private_key_jwt' || file === 'node');

export type Snippet = { file: (typeof FILES)[number]; id: string; text: string };

function filesOf(visit: Visit, client: ClientRecord, flow: Flow): Snippet[] {
  const { authMethod } = kindOf(client);
  const facts = factsOf(visit.app, client, flow);
  const language = languageOf(visit.ctx);
  return filesFor(authMethod).map((file) => ({
    file,
    id: `${flow}-${file}`,
    text: compose(language, `developer/snippets/${file}`, facts),
  }));
}

/** @returns the client's own redirect URI in preference to the portal's. */
function registeredUri({ config }: App<Feature>, { metadata }: ClientRecord): string | undefined {
  const callback = callbackOf(config.issuer);
  const uris = listOf(metadata['redirect_uris']);
  return uris.find((uri) => uri !== callback) ?? uris[0];
}

function factsOf(app: App<Feature>, client: ClientRecord, flow: Flow): Record<string, unknown> {
  const { issuer } = app.config;
  const kind = kindOf(client);
  const scopes = flow === 'code' ? (kind.scopes ?? [...IDENTITY_SCOPES]) : ownScopes(kind.scopes);
  const scope = scopes.join(' ');
  // Without this prompt, the server ignores offline_access (OIDC Core section 11).
  const consent = flow === 'code' && scopes.includes('offline_access');
  const redirectUri = registeredUri(app, client) ?? 'https://app.example.com/callback';
  const body: Record<string, string> =
    flow === 'own'
      ? { grant_type: 'client_credentials', ...(scope ? { scope } : undefined) }
      : { grant_type: 'authorization_code', redirect_uri: redirectUri };
  return {
    flow,
    issuer,
    clientId: client.id,
    authMethod: kind.authMethod,
    secret: kind.authMethod.startsWith('client_secret'),
    key: kind.authMethod === 'private_key_jwt',
    insecure: issuer.startsWith('http:'),
    redirectUri,
    redirectPath: URL.parse(redirectUri)?.pathname ?? '/',
    scope,
    scopes,
    consent,
    tokenCurl: curlTo(issuer, 'token', kind, body),
    authorizeUrl: `${issuer}${ROUTES.authorization}?${new URLSearchParams({ client_id: client.id, redirect_uri: redirectUri, response_type: 'code', scope, ...(consent && { prompt: 'consent' }) })}`,
    shell: inShell,
    double: inDoubleQuotes,
    python: inPython,
    go: inGo,
    spring: inSpring,
  };
}
