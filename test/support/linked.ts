import assert from 'node:assert/strict';
import { listIdentities, saveIdentity } from '../../src/features/federation/identities.ts';
import { callbackOf, findProvider } from '../../src/features/federation/providers.ts';
import { beginAuthorization, completeAuthorization, type UpstreamTokens } from '../../src/features/federation/upstream.ts';
import { keepTokens } from '../../src/features/federation/vault.ts';
import type { ClientMetadata } from '../../src/oauth/clients/store.ts';
import { allowServices } from '../../src/oauth/clients/store.ts';
import { KeyRing, randomSecret, timeOrderedId } from '../../src/platform/secrets.ts';
import type { TestServer } from './environment.ts';
import { type Credentials, obtainTokens, post, type TestClient } from './flow.ts';
import type { Person } from './person.ts';
import type { TestUpstream } from './upstream.ts';

/** People whose account at a provider is linked, past the pages: with tokens that the provider issued. */

export const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
export const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

/** Gets tokens from a provider and keeps them: as sign-in does, or, with a grant, for one app. */
export async function link(
  server: TestServer,
  upstream: TestUpstream,
  {
    accountId,
    providerId = 'far',
    grantId = null,
    scopes,
  }: { accountId: string; providerId?: string; grantId?: string | null; scopes: string[] },
): Promise<{ identityId: string; tokens: UpstreamTokens }> {
  upstream.person = { ...upstream.person, sub: `${providerId}-${accountId}` };
  const keyRing = new KeyRing(server.config.dataEncryptionKeys);
  const provider = await findProvider(server.database, providerId);
  assert(provider);
  const [state, redirectUri] = [randomSecret(), callbackOf(server.issuer, providerId)];
  const { url, begun } = await beginAuthorization(keyRing, provider, { redirectUri, state, scopes, offline: true });
  const sent = await fetch(url, { redirect: 'manual' });
  const answer = new URL(String(sent.headers.get('location')));
  const { subject, details, tokens } = await completeAuthorization(keyRing, provider, { answer, state, begun });
  const known = (await listIdentities(server.database, accountId)).find((identity) => identity.providerId === providerId);
  const identityId = known?.id ?? timeOrderedId();
  await server.database.transaction([
    saveIdentity({ id: identityId, providerId, subject, accountId, details }),
    keepTokens(keyRing, { providerId, identityId, grantId, tokens }),
  ]);
  return { identityId, tokens };
}

/** A client that may act for people at providers. */
export async function createServiceClient(
  server: TestServer,
  { services = ['far'], origins = [], ...metadata }: Partial<ClientMetadata> = {},
): Promise<TestClient> {
  const client = await server.createClient(metadata);
  await server.database.change(allowServices(client.client_id, { services, origins }));
  return client;
}

export type Reaching = {
  client: TestClient;
  person: Credentials & { id: string };
  /** Still signed in. */
  browser: Person;
  accessToken: string;
  refreshToken: string;
  grantId: string;
};

/** A person who has linked their account and lets an app act for them there. */
export async function createReaching(
  server: TestServer,
  upstream: TestUpstream,
  { client, services = ['notes.read'] }: { client?: TestClient; services?: string[] } = {},
): Promise<Reaching> {
  const asking = client ?? (await createServiceClient(server));
  const person = await server.createPerson();
  await link(server, upstream, { accountId: person.id, scopes: services });
  const scope = ['openid', ...services.map((name) => `far:${name}`)].join(' ');
  const { access_token, refresh_token, person: browser } = await obtainTokens(server, asking, person, { scope });
  const [grant] = await server.sql('select id from grant_record where account_id = $1 and client_id = $2', [person.id, asking.client_id]);
  return {
    client: asking,
    person,
    browser,
    accessToken: access_token,
    refreshToken: String(refresh_token),
    grantId: String(grant?.['id']),
  };
}

/** POST of an exchange that is right unless `parameters` make it wrong; undefined leaves one out. */
export function exchange(
  server: TestServer,
  client: TestClient | undefined,
  subjectToken: string,
  parameters: Record<string, string | string[] | undefined> = {},
  headers: Record<string, string> = {},
): Promise<Response> {
  const all = {
    grant_type: EXCHANGE,
    subject_token: subjectToken,
    subject_token_type: ACCESS_TOKEN,
    requested_token_type: ACCESS_TOKEN,
    audience: 'far',
    ...parameters,
  };
  const given = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as Record<string, string | string[]>;
  return post(server, '/oauth/token', client, given, headers);
}

/** How often a provider was asked for tokens by a refresh token. */
export const refreshes = (upstream: TestUpstream): number =>
  upstream.asked.filter(({ path, parameters }) => path === '/token' && parameters.get('grant_type') === 'refresh_token').length;

/** Lets what is kept of a provider's tokens be so old. */
export async function age(server: TestServer, seconds: number): Promise<void> {
  await server.sql(
    `update upstream_token set expires_at = expires_at - $1 * interval '1 second', refreshed_at = refreshed_at - $1 * interval '1 second',
       claimed_until = claimed_until - $1 * interval '1 second'`,
    [seconds],
  );
}
