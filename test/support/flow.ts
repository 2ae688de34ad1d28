import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import type { TestSite } from './environment.ts';
import { Person } from './person.ts';

/** The authorization code flow, step by step, by hand: for tests that need to stop or go astray in the middle. */

export type TestClient = { client_id: string; client_secret?: string; redirect_uri: string };
export type Credentials = { email: string; password: string };
export type Tokens = {
  access_token: string;
  refresh_token?: string;
  id_token?: string;
  scope?: string;
  token_type: string;
  expires_in: number;
};

export function pkce(): { code_verifier: string; code_challenge: string; code_challenge_method: string } {
  const code_verifier = randomBytes(32).toString('base64url');
  return { code_verifier, code_challenge: createHash('sha256').update(code_verifier).digest('base64url'), code_challenge_method: 'S256' };
}

/** The address of an authorization request that is right unless `parameters` make it wrong; undefined leaves one out. */
export function authorizePath(client: TestClient, parameters: Record<string, string | string[] | undefined> = {}): string {
  const query = new URLSearchParams();
  const all = {
    client_id: client.client_id,
    redirect_uri: client.redirect_uri,
    response_type: 'code',
    scope: 'openid profile',
    state: 's',
    ...parameters,
  };
  for (const [name, values] of Object.entries(all)) for (const value of [values ?? []].flat()) query.append(name, value);
  return `/oauth/authorize?${query}`;
}

/** Signs in, if asked to, and allows what is asked. @param optional scopes to tick; all of them unless given. @returns parameters of the redirect to the client. */
export async function approve(
  server: TestSite,
  person: Person,
  credentials: Credentials,
  path: string,
  optional?: string[],
): Promise<URLSearchParams> {
  let page = await person.open(path);
  if (page.html.includes('name="password"')) page = await page.submit({ email: credentials.email, password: credentials.password });
  if (page.html.includes('name="decision"')) page = await page.submit({ scope: optional ?? page.optionalScopes, decision: 'approve' });
  assert.notEqual(page.url.origin, server.issuer, `stuck at ${page.url} (${page.response.status}): ${page.html.slice(0, 1500)}`);
  return page.url.searchParams;
}

/** A code that was just issued, with what it takes to redeem it. */
export async function obtainCode(
  server: TestSite,
  client: TestClient,
  credentials: Credentials,
  parameters: Record<string, string | string[] | undefined> = {},
  person = new Person(server.issuer),
  { optional }: { optional?: string[] } = {},
) {
  const { code_verifier, ...challenge } = pkce();
  const answer = await approve(server, person, credentials, authorizePath(client, { ...challenge, ...parameters }), optional);
  const code = answer.get('code');
  assert(code, `no code but ${answer}`);
  return { code, code_verifier, redirect_uri: client.redirect_uri, person };
}

/** POST of a form, as a client with a secret (HTTP Basic) or without one. */
export function post(
  server: TestSite,
  path: string,
  client: TestClient | undefined,
  body: Record<string, string | string[]>,
  headers: Record<string, string> = {},
): Promise<Response> {
  const form = new URLSearchParams();
  for (const [name, values] of Object.entries(body)) for (const value of [values].flat()) form.append(name, value);
  const authorization = client?.client_secret
    ? {
        authorization: `Basic ${Buffer.from(`${encodeURIComponent(client.client_id)}:${encodeURIComponent(client.client_secret)}`).toString('base64')}`,
      }
    : undefined;
  if (client && !client.client_secret) form.append('client_id', client.client_id);
  return server.send(new URL(path, server.issuer), { method: 'POST', body: form, headers: { ...authorization, ...headers } });
}

export function redeem(
  server: TestSite,
  client: TestClient,
  { code, code_verifier, redirect_uri }: { code: string; code_verifier: string; redirect_uri: string },
  more: Record<string, string> = {},
): Promise<Response> {
  return post(server, '/oauth/token', client, { grant_type: 'authorization_code', code, code_verifier, redirect_uri, ...more });
}

/** The whole flow. @returns tokens, and the person's browser, still signed in. */
export async function obtainTokens(
  server: TestSite,
  client: TestClient,
  credentials: Credentials,
  parameters: Record<string, string | string[] | undefined> = {},
  more: Record<string, string> = {},
): Promise<Tokens & { person: Person }> {
  const code = await obtainCode(server, client, credentials, parameters);
  const response = await redeem(server, client, code, more);
  const body = await response.json();
  assert.equal(response.status, 200, JSON.stringify(body));
  return { ...body, person: code.person };
}

export async function clientCredentials(server: TestSite, client: TestClient, scope?: string): Promise<Tokens> {
  const response = await post(server, '/oauth/token', client, { grant_type: 'client_credentials', ...(scope ? { scope } : {}) });
  assert.equal(response.status, 200);
  return response.json() as Promise<Tokens>;
}

export async function introspect(server: TestSite, client: TestClient, token: string): Promise<Record<string, unknown>> {
  const response = await post(server, '/oauth/introspect', client, { token });
  assert.equal(response.status, 200);
  return response.json() as Promise<Record<string, unknown>>;
}

export function refresh(server: TestSite, client: TestClient, refreshToken: string, more: Record<string, string> = {}): Promise<Response> {
  return post(server, '/oauth/token', client, { grant_type: 'refresh_token', refresh_token: refreshToken, ...more });
}

export function callApi(server: TestSite, path: string, token: string, init: RequestInit = {}): Promise<Response> {
  return server.send(new URL(path, server.issuer), {
    ...init,
    headers: { authorization: `Bearer ${token}`, ...(init.headers as Record<string, string>) },
  });
}

/** A client that may introspect the tokens of the server's own API. */
export function createResourceServerClient(server: TestSite) {
  return server.createClient({ grant_types: [], response_types: [], redirect_uris: [], introspects: server.issuer });
}
