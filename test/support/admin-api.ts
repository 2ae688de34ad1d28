import assert from 'node:assert/strict';
import { ADMIN_SCOPES } from '../../src/oauth/scopes/admin-scopes.ts';
import { showTwoFactors } from './admin.ts';
import type { TestServer } from './environment.ts';
import { obtainTokens, post, type TestClient } from './flow.ts';

/** The admin API, as programs reach it. */

const MACHINE = { grant_types: ['client_credentials'], response_types: [], redirect_uris: [] };

/** Lets a client ask for scopes of the admin API, as scripts/client.ts does. */
export async function letAdminister(server: TestServer, clientId: string, scopes: readonly string[]): Promise<void> {
  await server.sql('update client set admin_scopes = $2 where id = $1', [clientId, scopes]);
}

/** An operator's machine client that may ask for these scopes. */
export async function createMachine(server: TestServer, scopes: readonly string[] = ADMIN_SCOPES): Promise<TestClient> {
  const client = await server.createClient(MACHINE);
  await letAdminister(server, client.client_id, scopes);
  return client;
}

export const adminResource = (server: TestServer): string => `${server.issuer}/admin/api`;

/** A token of the client's own. @param scope what is asked for: all there are, unless given. */
export async function machineToken(server: TestServer, client: TestClient, scope = ADMIN_SCOPES.join(' ')): Promise<string> {
  const response = await post(server, '/oauth/token', client, { grant_type: 'client_credentials', resource: adminResource(server), scope });
  const body = await response.json();
  assert.equal(response.status, 200, JSON.stringify(body));
  return body.access_token;
}

/** A person of this role, and a token that they gave a client for everything there is. @param shown how they had signed in, if they are an operator. */
export async function personToken(
  server: TestServer,
  role: 'user' | 'auditor' | 'support' | 'admin',
  client?: TestClient,
  shown: 'two factors' | 'a password' = 'two factors',
) {
  const app = client ?? (await server.createClient());
  if (!client) await letAdminister(server, app.client_id, ADMIN_SCOPES);
  const person = await server.createPerson({ role });
  const resource = adminResource(server);
  const { access_token } = await obtainTokens(server, app, person, { scope: `openid ${ADMIN_SCOPES.join(' ')}`, resource }, { resource });
  if (role !== 'user' && shown === 'two factors') await showTwoFactors(server, person.id);
  return { person, client: app, token: access_token };
}

export type Said = { status: number; headers: Headers; body: Record<string, unknown> & { data?: Record<string, unknown>[] } };

/** One call. @param path below /admin/api/v1. @param body sent as it is when it is a string. */
export async function call(
  server: TestServer,
  token: string | undefined,
  request: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Said> {
  const [method = 'GET', path = ''] = request.split(/ (.*)/s);
  const response = await server.send(`${server.adminAddress ?? server.issuer}/admin/api/v1${path}`, {
    method,
    headers: {
      ...(token ? { authorization: `Bearer ${token}` } : undefined),
      ...(body === undefined ? undefined : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? undefined : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  if (response.status >= 400 && method !== 'HEAD') assertProblem(response, text);
  return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : {} };
}

/** Every refusal is problem details (RFC 9457), which name the request. */
function assertProblem(response: Response, text: string): void {
  assert.equal(response.headers.get('content-type'), 'application/problem+json', text);
  assert.equal(response.headers.get('cache-control'), 'no-store');
  const problem = JSON.parse(text);
  assert.equal(problem.status, response.status);
  assert.equal(problem.instance, `urn:uuid:${response.headers.get('x-request-id')}`);
  assert.match(problem.type, /openapi\.json#\/x-problems\/[a-z_]+$/);
  assert(problem.title);
}

/** The name of a problem, as the API's document has it. */
export const problemOf = ({ body }: Said): string => String(body['type']).replace(/.*\//, '');

/** The errors of a problem, by field. */
export const fieldsOf = ({ body }: Said): string[] => ((body['errors'] ?? []) as { field: string }[]).map(({ field }) => field);
