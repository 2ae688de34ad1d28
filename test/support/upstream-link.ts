import assert from 'node:assert/strict';
import type { TestServer } from './environment.ts';
import type { Page } from './person.ts';
import type { TestUpstream } from './upstream.ts';

/** The way from the account's pages to a provider and back, as a person at a browser takes it. */

/** The address by which a page sends its person to link an account; undefined when it offers no such link. */
export const linkAt = (page: Page, providerId = 'far'): string | undefined =>
  new RegExp(`href="(/account/links/${providerId}\\?wish=[^"]+)"`).exec(page.html)?.[1];

/** Goes to the provider. @returns where it was sent to, there. */
export async function leaveFor(page: Page, providerId = 'far'): Promise<URL> {
  const address = linkAt(page, providerId);
  assert(address, `no way to link ${providerId}`);
  const away = await page.person.open(address);
  assert.equal(away.html, '', away.html);
  return away.url;
}

/** What the provider answers: the address of our callback, with a code or an error. */
export async function answerOf(address: URL): Promise<string> {
  const answered = await fetch(address, { redirect: 'manual' });
  await answered.body?.cancel();
  return String(answered.headers.get('location'));
}

/** There and back. */
export async function linkByPage(page: Page, providerId = 'far'): Promise<Page> {
  return page.person.open(await answerOf(await leaveFor(page, providerId)));
}

/** Makes somebody else of whoever signs in at the provider. */
export function nobodyKnown(upstream: TestUpstream, sub: string, more: Record<string, unknown> = {}): void {
  upstream.person = { sub, email: `${sub}@far.example`, email_verified: true, name: `Traveller ${sub}`, preferred_username: sub, ...more };
}

/** What is kept of links, without moments. */
export const linksOf = (server: TestServer, accountId: string) =>
  server.sql('select provider_id, subject, details from upstream_identity where account_id = $1 order by provider_id', [accountId]);
