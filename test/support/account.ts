import assert from 'node:assert/strict';
import { PROOF_PATH } from '../../src/pages/fresh-proof.ts';
import type { TestServer } from './environment.ts';
import { proveMailbox } from './factors.ts';
import type { Credentials } from './flow.ts';
import { type Page, Person } from './person.ts';

/** The account's pages, as a person at a browser reaches them. */

/** Opens one, and signs in when asked to. */
export async function openAccount(
  server: TestServer,
  credentials: Credentials,
  path = '/account',
  person = new Person(server.issuer),
): Promise<Page> {
  let page = await signInIfAsked(await person.open(path), credentials);
  // The page adds a way into the account. That the mail of the account is read for it is the subject of test/people/mailbox-proof.test.ts.
  if (page.url.pathname.startsWith(`${PROOF_PATH}/`)) {
    await proveMailbox(server, credentials);
    page = await person.open(path);
  }
  assert.equal(page.response.status, 200, page.html.slice(0, 2_000));
  assert.equal(page.url.pathname, path);
  return page;
}

export async function signInIfAsked(page: Page, { email, password }: Credentials): Promise<Page> {
  if (!page.url.pathname.startsWith('/interaction/')) return page;
  return page.submit({ email, password });
}

/** Makes everybody's sign-in so long ago. */
export async function ageSignIns(server: TestServer, seconds: number): Promise<void> {
  await server.sql(`update session set payload = jsonb_set(payload, '{loginTs}', to_jsonb((payload->>'loginTs')::int - $1::int))`, [
    seconds,
  ]);
}

/** Sends a form of the account with the token of a page, whatever fields that page's forms have. */
export function send(page: Page, path: string, fields: Record<string, string>, headers: Record<string, string> = {}): Promise<Page> {
  const csrf = /name="csrf" value="([^"]+)"/.exec(page.html)?.[1];
  assert(csrf, `no form at ${page.url}`);
  return page.person.open(path, {
    method: 'POST',
    body: new URLSearchParams({ csrf, ...fields }),
    headers: { 'sec-fetch-site': 'same-origin', ...headers },
  });
}

/** What was done to an account, the newest first; that its person signed in and allowed apps things is left out. */
export async function eventsOf(server: TestServer, accountId: string): Promise<string[]> {
  const rows = await server.sql(
    `select type from audit_event where account_id = $1 and type not in ('signed_in', 'consent_given') order by at desc, id desc`,
    [accountId],
  );
  return rows.map(({ type }) => String(type));
}
