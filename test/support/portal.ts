import assert from 'node:assert/strict';
import { openAccount } from './account.ts';
import type { TestServer } from './environment.ts';
import type { Credentials } from './flow.ts';
import { type Page, Person } from './person.ts';

/** The developer portal, as a person at a browser reaches it. */

export const NEW_CLIENT = '/developer/clients/new';

/** Answers that are right for an app on a server. */
export const ANSWERS: Record<string, string | string[]> = {
  place: 'server',
  person: 'yes',
  scope: ['openid', 'profile'],
  client_name: 'Walking Club',
  redirect_uris: 'https://walk.example/callback',
};

/** Sends a form to a page of the portal, with the token of that page. */
export function sendTo(page: Page, path: string, fields: Record<string, string | string[]>): Promise<Page> {
  const csrf = /name="csrf" value="([^"]+)"/.exec(page.html)?.[1];
  assert(csrf, `no form at ${page.url}`);
  const creation = creationOn(page);
  const body = new URLSearchParams({ csrf, ...(creation && !('creation' in fields) && { creation }) });
  for (const [name, values] of Object.entries(fields)) for (const value of [values].flat()) body.append(name, value);
  return page.person.open(path, { method: 'POST', body, headers: { 'sec-fetch-site': 'same-origin' } });
}

/** By what a form of the page makes one client and no other. */
export const creationOn = (page: Page): string | undefined => /name="creation" value="([^"]+)"/.exec(page.html)?.[1];

export type MadeClient = { client_id: string; client_secret: string | undefined; redirect_uri: string; page: Page };

/** Makes a client by the form. @param answers in the place of ANSWERS. */
export async function makeClient(
  server: TestServer,
  person: Credentials,
  answers: Record<string, string | string[]> = {},
  browser?: Person,
): Promise<MadeClient> {
  const form = await openAccount(server, person, NEW_CLIENT, browser);
  const page = await sendTo(form, NEW_CLIENT, { ...ANSWERS, ...answers });
  assert.equal(page.response.status, 200, page.html.slice(0, 3_000));
  const client_id = /id="client-id">([0-9a-f-]{36})</.exec(page.html)?.[1];
  assert(client_id, page.html);
  const redirect_uri = String(answers['redirect_uris'] ?? ANSWERS['redirect_uris']).split('\n')[0] as string;
  return { client_id, client_secret: secretOn(page), redirect_uri, page };
}

export type OwnedClient = MadeClient & { owner: { id: string; email: string; password: string }; path: string };

/** Makes a client by the form, for a new user whose browser reads English. @returns the path of its page too. */
export async function makeOwnedClient(server: TestServer, answers: Record<string, string | string[]> = {}): Promise<OwnedClient> {
  const owner = await server.createPerson();
  const english = Object.assign(new Person(server.issuer), { headers: { 'accept-language': 'en' } });
  const client = await makeClient(server, owner, answers, english);
  return { ...client, owner, path: `/developer/clients/${client.client_id}` };
}

/** The secret that a page shows, if it does. */
export const secretOn = (page: Page): string | undefined => /id="secret">([\w-]{43})</.exec(page.html)?.[1];

/** What is wrong, as the page's summary says. */
export const problemsOn = (page: Page): string[] =>
  [...page.html.matchAll(/<li><a href="#([\w-]+)">([^<]+)<\/a>/g)].map(([, field, text]) => `${field}: ${text}`);
