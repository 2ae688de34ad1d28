import assert from 'node:assert/strict';
import { openAccount } from './account.ts';
import type { TestServer } from './environment.ts';
import { eventually } from './eventually.ts';
import type { Credentials, TestClient } from './flow.ts';
import { post } from './flow.ts';
import { knownScopes } from './known-scopes.ts';
import { type Page, Person } from './person.ts';
import { creationOn, secretOn } from './portal.ts';

/** The developer portal as its pages' forms are sent, by whoever has signed in. */

export type Developer = { id: string; email: string; credentials: Credentials; browser: Person; csrf: string };

/** Somebody with an account who has come to the portal. */
export async function comeToPortal(server: TestServer, person?: Credentials & { id: string }): Promise<Developer> {
  const account = person ?? (await server.createPerson());
  const browser = new Person(server.issuer);
  const page = await openAccount(server, account, '/developer/import', browser);
  return { id: account.id, email: account.email, credentials: account, browser, csrf: csrfOf(page) };
}

export function csrfOf(page: Page): string {
  const csrf = /name="csrf" value="([^"]+)"/.exec(page.html)?.[1];
  assert(csrf, `no form at ${page.url}`);
  return csrf;
}

/** Sends a form of a page of the portal. One that makes a client is good for one, and fresh unless `creation` says which it is. */
export async function fill({ browser, csrf }: Developer, path: string, fields: Record<string, string> = {}): Promise<Page> {
  const makes = ('make' in fields || 'apply' in fields) && !('creation' in fields);
  const creation = makes ? creationOn(await browser.open('/developer/clients/new')) : undefined;
  return browser.open(path, {
    method: 'POST',
    body: new URLSearchParams({ csrf, ...(creation && { creation }), ...fields }),
    headers: { 'sec-fetch-site': 'same-origin' },
  });
}

export const API = { identifier: 'https://books.example/v1', name: 'Books', format: 'opaque', lifetime: '600' };
export const SCOPE = { act: 'add', name: 'books:read', title_ko: '내 책장 보기', title_en: 'See your bookshelf' };

/** @returns the path of the API's pages. */
export async function registerApi(
  developer: Developer,
  more: Partial<typeof API & { resource: string; type: string }> = {},
): Promise<string> {
  const page = await fill(developer, '/developer/apis/new', { ...API, ...more });
  assert.match(page.url.pathname, /^\/developer\/apis\/[0-9a-f-]{36}\/scopes$/, page.html.slice(0, 3_000));
  return page.url.pathname.replace(/\/scopes$/, '');
}

/** Makes a client that introspects for an API, by its page. */
export async function makeIntrospector(developer: Developer, api: string): Promise<TestClient & { client_secret: string }> {
  const page = await fill(developer, `${api}/introspection`, { make: 'yes' });
  const { client_id, client_secret = '' } = madeOn(page);
  assert(client_secret, page.html.slice(0, 3_000));
  return { client_id, client_secret, redirect_uri: '' };
}

/** Makes a client of a manifest, by the two steps of its page. */
export async function importManifest(developer: Developer, text: string): Promise<Page> {
  const creation = creationOn(await fill(developer, '/developer/import', { text })) ?? '';
  return fill(developer, '/developer/import', { text, creation, apply: 'yes' });
}

/** The client that was made a moment ago, as its page says. */
export function madeOn(page: Page): { client_id: string; client_secret?: string } {
  const client_id = /id="client-id">([^<]+)</.exec(page.html)?.[1];
  assert(client_id, page.html.slice(0, 3_000));
  const client_secret = secretOn(page);
  return { client_id, ...(client_secret && { client_secret }) };
}

export async function introspect(
  server: Pick<TestServer, 'issuer' | 'send'>,
  client: TestClient,
  token: string,
): Promise<Record<string, unknown>> {
  return (await (await post(server as TestServer, '/oauth/introspect', client, { token })).json()) as Record<string, unknown>;
}

/** Waits until a node lets clients register with a scope, or does so no longer: it hears of it by the database. */
export async function knowsScope(server: TestServer, scope: string, known = true): Promise<void> {
  await eventually(`${scope} is known: ${known}`, async () => {
    return (await knownScopes(server, [scope])).length > 0 === known;
  });
}

/** Lets somebody look after a client that a test has made. */
export async function own(server: TestServer, clientId: string, accountId: string): Promise<void> {
  await server.sql('insert into client_owner (client_id, account_id) values ($1, $2)', [clientId, accountId]);
}
