import type { App } from '../../../oauth/app.ts';
import type { ClientRecord } from '../../../oauth/clients/inspection.ts';
import { ROUTES } from '../../../oauth/routes.ts';
import type { Visit } from '../../../pages/own-pages.ts';
import { kindOf, listOf } from '../clients/kind.ts';
import { ownScopes } from '../clients/scope-choice.ts';
import { scopesToAsk, tokenApi } from '../clients/token-api.ts';
import { callbackOf } from '../try/visit.ts';
import { curlTo } from './curl.ts';
import { inDoubleQuotes, inGo, inPython, inShell, inSpring } from './quoting.ts';

/**
 * Owns the facts of a client that code samples contain as literals: its id, URIs, scopes and API. They never contain a secret, and not the
 * client's name, because its owner can put any text there.
 */

export type Flow = 'code' | 'own';

/** @returns the client's own redirect URI in preference to the portal's. */
export function registeredUri({ config }: Pick<App, 'config'>, { metadata }: ClientRecord): string | undefined {
  const callback = callbackOf(config.issuer);
  const uris = listOf(metadata['redirect_uris']);
  return uris.find((uri) => uri !== callback) ?? uris[0];
}

/** @returns what the views of code samples read. */
export function factsOf(visit: Visit, client: ClientRecord, flow: Flow): Record<string, unknown> {
  const { app } = visit;
  const { issuer } = app.config;
  const kind = kindOf(client);
  const api = tokenApi(visit, client);
  const resource = api.resource && { resource: api.resource };
  const scopes = flow === 'code' ? scopesToAsk(api, app.resourceServers) : ownScopes(api.scopes);
  const scope = scopes.join(' ');
  // Without this prompt, the server ignores offline_access (OIDC Core section 11).
  const consent = flow === 'code' && scopes.includes('offline_access');
  const redirectUri = registeredUri(app, client) ?? 'https://app.example.com/callback';
  const body: Record<string, string> =
    flow === 'own'
      ? { grant_type: 'client_credentials', ...(scope ? { scope } : undefined), ...resource }
      : { grant_type: 'authorization_code', redirect_uri: redirectUri, ...resource };
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
    resource: api.resource,
    consent,
    tokenCurl: curlTo(issuer, 'token', kind, body),
    authorizeUrl: `${issuer}${ROUTES.authorization}?${new URLSearchParams({ client_id: client.id, redirect_uri: redirectUri, response_type: 'code', scope, ...resource, ...(consent && { prompt: 'consent' }) })}`,
    shell: inShell,
    double: inDoubleQuotes,
    python: inPython,
    go: inGo,
    spring: inSpring,
  };
}
