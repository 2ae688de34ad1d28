import assert from 'node:assert/strict';
import type { TestServer } from './environment.ts';
import { authorizePath, pkce, type TestClient } from './flow.ts';
import { lettersTo, proofIn } from './mailbox.ts';
import { type Page, Person } from './person.ts';

/** Signing up and resetting, step by step: for tests that stop or go astray in the middle. */

export const PASSWORD = 'seven lanterns by the gate';

let count = 0;

/** What a form of sign-up is filled in with; nobody has the address yet. */
export function newcomer(more: Partial<Record<'name' | 'email' | 'password', string>> = {}) {
  count += 1;
  return { name: '홍길동', email: `newcomer${count}@people.example`, password: PASSWORD, ...more };
}

/** The sign-in page, in a browser of its own unless one is given. */
export function openSignIn(
  server: TestServer,
  client: TestClient,
  parameters: Record<string, string> = {},
  person = new Person(server.issuer),
) {
  return person.open(authorizePath(client, { ...pkce(), code_verifier: undefined, ...parameters }));
}

/** A page of the same interaction. */
export function openPage(page: Page, name: string): Promise<Page> {
  return page.person.open(`/interaction/${page.url.pathname.split('/')[2]}/${name}`);
}

/** As far as the page that asks for the code. */
export async function beginSignUp(server: TestServer, client: TestClient, wish = newcomer(), parameters: Record<string, string> = {}) {
  const page = await (await openPage(await openSignIn(server, client, parameters), 'signup')).submit(wish);
  assert.match(page.url.pathname, /\/signup\/code$/, page.html);
  return page;
}

/** As far as the page that asks for the code. */
export async function beginReset(
  server: TestServer,
  client: TestClient,
  email: string,
  parameters: Record<string, string> = {},
  person?: Person,
) {
  const page = await (await openPage(await openSignIn(server, client, parameters, person), 'reset')).submit({ email });
  assert.match(page.url.pathname, /\/reset\/code$/, page.html);
  return page;
}

/** The code and the link of the newest letter to an address. */
export async function newestProof(server: TestServer, email: string): Promise<{ code: string; link: string }> {
  const letter = (await lettersTo(server, email)).at(-1);
  assert(letter, `a letter to ${email}`);
  const { code, link } = proofIn(letter);
  assert(code && link, letter.text);
  return { code, link };
}

/** Another code than the right one. */
export const wrongOf = (code: string): string => code.replace(/\d/, (digit) => String((Number(digit) + 1) % 10));

/** Every other second form on a page: the one that asks for another mail. */
export function askAgain(page: Page): Promise<Page> {
  const action = page.form().action.replace(/code$/, 'resend');
  return page.person.open(action, { method: 'POST', body: new URLSearchParams({ csrf: String(page.form().hidden['csrf']) }) });
}
