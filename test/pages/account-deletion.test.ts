import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { prune } from '../../src/oauth/store/prune.ts';
import { ageSignIns, eventsOf, openAccount, send } from '../support/account.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import {
  approve,
  authorizePath,
  createResourceServerClient,
  introspect,
  obtainTokens,
  pkce,
  refresh,
  type TestClient,
} from '../support/flow.ts';
import { lettersTo } from '../support/mailbox.ts';
import { Person } from '../support/person.ts';
import { countRows, dumpTables, passAMinute, unchanged } from '../support/storage.ts';

describe('Deleting an account', () => {
  let server: TestServer;
  let client: TestClient;
  let api: TestClient;
  before(async () => {
    server = await startTestServer();
    client = await server.createClient();
    api = await createResourceServerClient(server);
  });
  after(() => server.close());

  const PATH = '/account/delete';
  const isActive = async (token: string | undefined) => (await introspect(server, api, String(token)))['active'];
  const request = (parameters: Record<string, string> = {}) =>
    authorizePath(client, { ...pkce(), code_verifier: undefined, ...parameters });

  async function scheduled() {
    const person = await server.createPerson();
    const tokens = await obtainTokens(server, client, person, { scope: 'openid offline_access api' });
    const page = await openAccount(server, person, PATH);
    const answer = await send(page, PATH, { certain: 'yes' });
    assert.equal(answer.response.status, 200);
    return { person, tokens, answer, browser: page.person };
  }

  it('ends all sessions, grants and tokens at once, and tells until when it can be taken back', async () => {
    const { person, tokens, answer, browser } = await scheduled();
    assert.match(answer.html, /<h1>Your account will be deleted<\/h1>/);
    assert.equal(await isActive(tokens.access_token), false);
    assert.equal((await refresh(server, client, String(tokens.refresh_token))).status, 400);
    for (const table of ['session', 'grant_record', 'token', 'authorization_code'])
      assert.equal(await countRows(server, `${table} where account_id = $1`, [person.id]), 0, table);
    assert.match((await browser.open('/account')).html, /name="password"/);
    const [row] = await server.sql(
      `select delete_after between now() + interval '13 days 23 hours' and now() + interval '14 days' as soon from user_account where id = $1`,
      [person.id],
    );
    assert.equal(row?.['soon'], true);
    assert.equal((await eventsOf(server, person.id))[0], 'deletion_scheduled');
    assert.equal((await lettersTo(server, person.email)).length, 1);
  });

  it('is not asked for without being certain, by an old sign-in, by a form of somebody else, or twice', async () => {
    const person = await server.createPerson();
    const page = await openAccount(server, person, PATH);
    for (const certain of ['', 'no', 'x'.repeat(5_000)]) {
      const answer = await unchanged(server, () => send(page, PATH, { certain }));
      assert.equal(answer.response.status, 422);
      assert.match(answer.html, /Tick the box to delete your account/);
    }
    const other = await openAccount(server, await server.createPerson(), PATH);
    const csrf = String(other.form().hidden['csrf']);
    assert.equal((await unchanged(server, () => send(page, PATH, { certain: 'yes', csrf }))).response.status, 403);
    await ageSignIns(server, 901);
    assert.match((await send(page, PATH, { certain: 'yes' })).html, /name="password"/);
    assert.equal(await countRows(server, 'user_account where delete_after is not null and id = $1', [person.id]), 0);

    const again = await scheduled();
    assert.match(
      (await again.browser.open(PATH, { method: 'POST', body: new URLSearchParams({ certain: 'yes' }) })).html,
      /name="password"/,
    );
    assert.deepEqual(await eventsOf(server, again.person.id), ['deletion_scheduled']);
    assert.equal((await lettersTo(server, again.person.email)).length, 1);
  });

  it('leaves an account that signing in leads to nothing but keeping it: no page of ours, no app, not in silence either', async () => {
    const { person } = await scheduled();
    for (const path of ['/account', '/account/export', request(), request({ prompt: 'consent' })]) {
      const page = await (await new Person(server.issuer).open(path)).submit(person);
      assert.match(page.html, /<h1>Keep your account\?<\/h1>/, path);
      assert(page.html.includes(person.email));
      const stays = await page.person.open('/account');
      assert.match(stays.html, /<h1>Keep your account\?<\/h1>/);
      assert.equal((await page.person.open(request({ prompt: 'none' }))).url.searchParams.get('error'), 'interaction_required');
    }
    assert.equal(await countRows(server, 'grant_record where account_id = $1 and client_id = $2', [person.id, client.client_id]), 0);
    assert.equal(await countRows(server, 'authorization_code where account_id = $1', [person.id]), 0);
  });

  it('is taken back by signing in and saying so, and the page that was asked for follows', async () => {
    const { person } = await scheduled();
    const asked = await (await new Person(server.issuer).open('/account/activity')).submit(person);
    const kept = await asked.submit({ decision: 'keep' });
    assert.equal(kept.url.pathname, '/account/activity');
    assert.match(kept.html, /Account deletion cancelled/);
    assert.equal(await countRows(server, 'user_account where id = $1 and delete_after is null', [person.id]), 1);
    const answer = await approve(server, kept.person, person, request());
    assert(answer.get('code'), 'an app can be allowed again');
    assert.equal((await unchanged(server, () => asked.submit({ decision: 'keep' }))).url.pathname, '/account/activity', 'a second press');
    await passAMinute(server);
    assert.equal((await asked.submit({ decision: 'keep' })).response.status, 400, 'once');
  });

  it('stays asked for by whoever leaves it at that, says nothing clear, or has no token of the page', async () => {
    const { person } = await scheduled();
    for (const decision of ['leave', '', 'KEEP', 'x'.repeat(5_000)]) {
      const page = await (await new Person(server.issuer).open(request({ state: 'mine' }))).submit(person);
      const answer = await page.submit({ decision });
      assert.equal(answer.url.searchParams.get('error'), 'access_denied', decision);
      assert.equal(answer.url.searchParams.get('code'), null);
    }
    const page = await (await new Person(server.issuer).open('/account')).submit(person);
    assert.equal((await page.submit({ decision: 'keep', csrf: 'guessed' })).response.status, 403);
    assert.equal((await page.submit({ decision: 'leave' })).response.status, 400, 'our own page says that there is no way in');
    assert.equal(await countRows(server, 'user_account where id = $1 and delete_after is not null', [person.id]), 1);
    assert.deepEqual(await eventsOf(server, person.id), ['deletion_scheduled']);
  });

  it('is done when the days are over, and not before: nothing with the name of the person is left', async () => {
    const [{ person }, waiting] = [await scheduled(), await scheduled()];
    await prune(server.database);
    assert.equal(await countRows(server, 'user_account where id = $1', [person.id]), 1);
    await server.sql(`update user_account set delete_after = now() - interval '1 second' where id = $1`, [person.id]);
    const late = await (await new Person(server.issuer).open('/account')).submit(person);
    assert.match(late.html, /Keep your account\?/);
    const refused = await late.submit({ decision: 'keep' });
    assert.match(refused.html, /Keep your account\?/, 'too late');
    await prune(server.database);
    assert.equal(await countRows(server, 'user_account where id = $1', [person.id]), 0);
    assert.equal(await countRows(server, 'user_account where id = $1', [waiting.person.id]), 1);
    assert.equal((await (await new Person(server.issuer).open('/account')).submit(person)).response.status, 401);
    assert.match((await late.person.open('/account')).html, /name="password"/);
    const { mail: _, ...tables } = await dumpTables(server);
    const left = Object.entries(tables).filter(([, rows]) =>
      rows.some((row) => row.includes(person.email) || row.includes(person.username)),
    );
    assert.deepEqual(
      left.map(([table]) => table),
      [],
    );
    assert(await countRows(server, 'audit_event where account_id = $1', [person.id]), 'what was done stays told, without a name');
  });
});
