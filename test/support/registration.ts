import assert from 'node:assert/strict';
import { LIMITS } from '../../src/http/rate-limit.ts';
import { digest } from '../../src/platform/secrets.ts';
import type { TestServer } from './environment.ts';

/** Where the tests are, as limits see it. */
const NETWORK = '127.0.0.0/24';

/** A client that registered itself (RFC 7591) and may manage its registration (RFC 7592). */
export type RegisteredClient = {
  client_id: string;
  client_secret: string;
  redirect_uri: string;
  registration_access_token: string;
  registration_client_uri: string;
  [member: string]: unknown;
};

export const METADATA = {
  client_name: 'Walk',
  redirect_uris: ['https://walk.example/cb'],
  grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
};

/** POST of metadata, right or wrong, and counted like any other. @param metadata is sent as it is when it is a string. */
export function sendRegistration(server: TestServer, metadata: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return server.send(`${server.issuer}/oauth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof metadata === 'string' ? metadata : JSON.stringify(metadata),
  });
}

/** The same for tests of anything but how often one may: that it was asked is forgotten. */
export async function askToRegister(server: TestServer, metadata: unknown, headers: Record<string, string> = {}): Promise<Response> {
  const response = await sendRegistration(server, metadata, headers);
  await forgetRegistrations(server);
  return response;
}

/** Forgets how often anybody asked to register. */
export async function forgetRegistrations(server: Pick<TestServer, 'sql'>): Promise<void> {
  const { registration, registrationFromNetwork } = LIMITS;
  const keys = [`${registration.name} `, `${registrationFromNetwork.name} ${NETWORK}`].map((key) => Buffer.from(digest(key)));
  await server.sql('delete from rate_limit where key = any($1)', [keys]);
}

export async function register(server: TestServer, more: Record<string, unknown> = {}): Promise<RegisteredClient> {
  const response = await askToRegister(server, { ...METADATA, ...more });
  const body = (await response.json()) as RegisteredClient & { redirect_uris: string[] };
  assert.equal(response.status, 201, JSON.stringify(body));
  return { ...body, redirect_uri: String(body.redirect_uris[0]) };
}

/** What a client does about its own registration. */
export function manage(
  server: TestServer,
  client: Pick<RegisteredClient, 'client_id' | 'registration_access_token'>,
  method: 'GET' | 'PUT' | 'DELETE',
  metadata?: Record<string, unknown>,
): Promise<Response> {
  return fetch(`${server.issuer}/oauth/register/${client.client_id}`, {
    method,
    headers: {
      authorization: `Bearer ${client.registration_access_token}`,
      ...(metadata ? { 'content-type': 'application/json' } : undefined),
    },
    ...(metadata ? { body: JSON.stringify(metadata) } : undefined),
  });
}
