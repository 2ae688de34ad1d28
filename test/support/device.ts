import assert from 'node:assert/strict';
import type { TestServer } from './environment.ts';
import { type Credentials, post, type TestClient } from './flow.ts';
import { type Page, Person } from './person.ts';

/** The device flow (RFC 8628), step by step, by hand: for tests that need to stop or go astray in the middle. */

export const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';

export type DeviceAuthorization = {
  device_code: string;
  user_code: string;
  verification_uri: string;
  verification_uri_complete: string;
  expires_in: number;
  interval: number;
};

/** A client for devices: public, since whoever has a device has its secrets. */
export function createDeviceClient(server: TestServer, metadata: Record<string, unknown> = {}): Promise<TestClient> {
  return server.createClient({
    client_name: 'Living room TV',
    token_endpoint_auth_method: 'none',
    client_secret: undefined,
    grant_types: [DEVICE_GRANT, 'refresh_token'],
    response_types: [],
    redirect_uris: [],
    ...metadata,
  } as never) as Promise<TestClient>;
}

/** What the device asks first. */
export async function beginDevice(
  server: TestServer,
  client: TestClient,
  parameters: Record<string, string> = { scope: 'openid profile' },
  headers: Record<string, string> = {},
): Promise<DeviceAuthorization> {
  const response = await post(server, '/oauth/device_authorization', withoutSecret(client), parameters, headers);
  const body = await response.json();
  assert.equal(response.status, 200, JSON.stringify(body));
  return body as DeviceAuthorization;
}

/** What the device asks again and again. */
export function poll(server: TestServer, client: TestClient, device_code: string): Promise<Response> {
  return post(server, '/oauth/token', withoutSecret(client), { grant_type: DEVICE_GRANT, device_code });
}

export async function pollError(server: TestServer, client: TestClient, device_code: string): Promise<string> {
  const response = await poll(server, client, device_code);
  const body = (await response.json()) as { error: string };
  assert.equal(response.status, 400, JSON.stringify(body));
  return body.error;
}

/** A person types a code. @returns the page to confirm it, or the one that says what is wrong with it. */
export async function typeCode(server: TestServer, code: string, person = new Person(server.issuer)): Promise<Page> {
  return (await person.open('/device')).submit({ user_code: code });
}

/** A person types a code, says yes, signs in if asked to, and allows what is asked. @returns the last page. */
export async function approveDevice(
  server: TestServer,
  code: string,
  credentials: Credentials,
  person = new Person(server.issuer),
  decision = 'approve',
): Promise<Page> {
  let page = await (await typeCode(server, code, person)).submit({ decision: 'approve' });
  if (page.html.includes('name="password"')) page = await page.submit({ email: credentials.email, password: credentials.password });
  if (page.html.includes('/consent"')) page = await page.submit({ scope: page.optionalScopes, decision });
  return page;
}

// The public client of these tests was given a secret that is not its own to use.
const withoutSecret = ({ client_secret: _, ...client }: TestClient): TestClient => client;
