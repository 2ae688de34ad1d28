import assert from 'node:assert/strict';
import type { TestServer } from './environment.ts';
import type { TestClient } from './flow.ts';
import { type Page, Person } from './person.ts';
import { openPage, openSignIn } from './sign-up.ts';

/** Going to a provider and coming back, step by step: for tests that stop or go astray in the middle. */

/** Presses the button of a provider on the sign-in page. @returns the address at the provider, or the page that was shown instead. */
export async function depart(
  server: TestServer,
  client: TestClient,
  {
    provider = 'far',
    person = new Person(server.issuer),
    ...parameters
  }: { provider?: string; person?: Person } & Record<string, unknown> = {},
): Promise<Page> {
  const page = await openSignIn(server, client, parameters as Record<string, string>, person);
  return departFrom(page, provider);
}

export async function departFrom(page: Page, provider = 'far'): Promise<Page> {
  assert.ok(page.html.includes(`/upstream/${provider}"`), `no button for ${provider} at ${page.url}: ${page.html}`);
  return openPage(page, `upstream/${provider}`);
}

/** Lets the provider ask its person, who says what `wishes` have them say. @returns our callback's address with the answer. */
export async function answerOf(away: Page): Promise<URL> {
  const response = await fetch(away.url, { redirect: 'manual' });
  assert.equal(response.status, 302, `${away.url} ${away.html.slice(0, 500)}`);
  return new URL(String(response.headers.get('location')));
}

/** All the way there and back, in the same browser. */
export async function visitUpstream(server: TestServer, client: TestClient, options: Parameters<typeof depart>[2] = {}): Promise<Page> {
  const away = await depart(server, client, options);
  return away.person.open((await answerOf(away)).href);
}

/** What there is of people, links and tokens: to see that nothing came of a sign-in. */
export async function stored(server: TestServer) {
  const [row] = await server.sql(`select
    (select count(*)::int from user_account) as accounts,
    (select count(*)::int from upstream_identity) as identities,
    (select count(*)::int from upstream_token) as tokens,
    (select count(*)::int from session where account_id is not null) as sessions,
    ((select count(*) from mail) - (select count(*) from not_me_link where change = 'new_device'))::int as mails,
    (select count(*)::int from audit_event where type in ('signed_in', 'signed_up')) as successes,
    (select count(*)::int from audit_event where type = 'identity_linked') as links`);
  return row as Record<'accounts' | 'identities' | 'tokens' | 'sessions' | 'mails' | 'successes' | 'links', number>;
}

/** What was recorded last, with what there was to say of it. */
export async function lastEvents(server: TestServer, count = 1): Promise<{ type: string; account_id: string | null; detail: unknown }[]> {
  const rows = await server.sql('select type, account_id, detail from audit_event order by at desc, id desc limit $1', [count]);
  return rows as { type: string; account_id: string | null; detail: unknown }[];
}
