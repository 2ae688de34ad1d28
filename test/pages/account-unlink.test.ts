import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { prune } from '../../src/oauth/store/prune.ts';
import { ageSignIns, eventsOf, openAccount, send } from '../support/account.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { addPasskey } from '../support/factors.ts';
import { createReaching, exchange, link } from '../support/linked.ts';
import { lettersTo } from '../support/mailbox.ts';
import { countRows, dumpTables, passAMinute, unchanged } from '../support/storage.ts';
import { addProvider, startUpstream, type TestUpstream } from '../support/upstream.ts';
import { linkAt } from '../support/upstream-link.ts';

const PATH = '/account/links';

describe('Unlinking an account at a provider', () => {
  let server: TestServer;
  let upstream: TestUpstream;
  before(async () => {
    [server, upstream] = await Promise.all([startTestServer(), startUpstream()]);
    await addProvider(server, upstream, { id: 'far', name: 'Far', services: ['notes.read', 'notes.write'] });
    await addProvider(server, upstream, { id: 'near', name: 'Near' });
    await addProvider(server, upstream, { id: 'tool', name: 'Tool', signIn: false });
  });
  after(async () => {
    await Promise.all([server.close(), upstream.close()]);
  });

  const linked = (accountId: string) => countRows(server, 'upstream_identity where account_id = $1', [accountId]);

  /** Somebody at their page, with links. */
  async function visitor(...providers: string[]) {
    const person = await server.createPerson();
    for (const providerId of providers) await link(server, upstream, { accountId: person.id, providerId, scopes: [] });
    return { person, page: await openAccount(server, person, PATH) };
  }

  const forgetPassword = (id: string) => server.sql('update user_account set password_hash = null where id = $1', [id]);

  it('ends the link and what was given for it, leaves that for the provider to hear of, and tells its person', async () => {
    const { person, page } = await visitor('far', 'near');
    const done = await send(page, PATH, { unlink: 'far' });
    assert.equal(done.url.pathname + done.url.search, `${PATH}?done`);
    assert.match(done.html, /<bdi>Near<\/bdi>/);
    assert(linkAt(done), 'it can be linked again');
    assert.equal(await linked(person.id), 1);
    assert.equal(await countRows(server, `upstream_revocation where provider_id = 'far'`), 1);
    assert.deepEqual(await eventsOf(server, person.id), ['identity_unlinked']);
    const letters = await lettersTo(server, person.email);
    assert.equal(letters.length, 1);
    assert.match(String(letters[0]?.text), /Far/);
    for (const [what, leads] of [
      ['a second press', `${PATH}?done`],
      ['after a minute', PATH],
    ]) {
      const twice = await unchanged(server, () => send(page, PATH, { unlink: 'far' }), ['session']);
      assert.equal(twice.url.pathname + twice.url.search, leads, what);
      await passAMinute(server);
    }
  });

  it('ends what apps reach with it, and nothing of what they reach elsewhere', async () => {
    const { client, person, accessToken } = await createReaching(server, upstream);
    await link(server, upstream, { accountId: person.id, providerId: 'near', scopes: [] });
    assert.equal((await exchange(server, client, accessToken)).status, 200);
    const page = await openAccount(server, person, PATH);
    assert.match(page.html, /<dt>Used by<\/dt>\s*<dd><bdi>[^<]+<\/bdi>: Read notes\.read<\/dd>/);
    await send(page, PATH, { unlink: 'far' });
    const refused = await exchange(server, client, accessToken);
    assert.equal(refused.status, 400);
    assert.equal(((await refused.json()) as { error: string }).error, 'interaction_required');
    assert.equal(await linked(person.id), 1);
  });

  it('stays when it is the last way in: there is a password, a passkey or another provider to sign in by', async () => {
    const { person, page } = await visitor('far');
    await forgetPassword(person.id);
    const kept = await unchanged(server, () => send(page, PATH, { unlink: 'far' }), ['session']);
    assert.equal(kept.response.status, 422);
    assert.match(kept.html, /role="alert"[^>]*>The account was not unlinked/);

    await link(server, upstream, { accountId: person.id, providerId: 'tool', scopes: [] });
    assert.equal((await send(page, PATH, { unlink: 'far' })).response.status, 422, 'one that nobody signs in by is none');
    await link(server, upstream, { accountId: person.id, providerId: 'near', scopes: [] });
    await server.sql(`update upstream_provider set disabled_at = now() where id = 'near'`);
    const disabled = await send(page, PATH, { unlink: 'far' });
    assert.equal(disabled.response.status, 422, 'nor is one that is disabled');
    assert.match(disabled.html, /<bdi>Near<\/bdi> <span class="tag caution">Not available now<\/span>/);
    await server.sql(`update upstream_provider set disabled_at = null where id = 'near'`);
    assert.equal(await linked(person.id), 3);

    assert.equal((await send(page, PATH, { unlink: 'tool' })).url.search, '?done', 'nobody loses a way in with it');
    assert.equal((await send(page, PATH, { unlink: 'far' })).url.search, '?done');
    assert.equal((await send(page, PATH, { unlink: 'near' })).response.status, 422);
    assert.equal(await linked(person.id), 1);
  });

  it('stays, or a passkey does, when both are ended at the same moment', async () => {
    const { person, page } = await visitor('near');
    await addPasskey(server, person, page.person);
    await forgetPassword(person.id);
    const factors = await page.person.open('/account/factors');
    const id = /name="id" value="([^"]+)"/.exec(factors.html)?.[1] ?? '';
    const [unlinked, removed] = await Promise.all([
      send(page, PATH, { unlink: 'near' }),
      send(factors, '/account/factors/passkey/remove', { id }),
    ]);
    const left = { links: await linked(person.id), passkeys: await countRows(server, 'passkey where account_id = $1', [person.id]) };
    assert.equal(left.links + left.passkeys, 1);
    assert.equal(unlinked.response.status, left.links ? 422 : 200);
    assert.equal(removed.url.search, left.passkeys ? '?kept=last' : '?done=passkey_removed');
  });

  it('ends the last one of somebody who has a passkey', async () => {
    const { person, page } = await visitor('near');
    await addPasskey(server, person, page.person);
    await forgetPassword(person.id);
    assert.equal((await send(page, PATH, { unlink: 'near' })).url.search, '?done');
    assert.equal(await linked(person.id), 0);
  });

  it('leaves one of two that are ended at the same moment', async () => {
    for (let round = 0; round < 5; round++) {
      const { person, page } = await visitor('far', 'near');
      await forgetPassword(person.id);
      const ends = await Promise.all(['far', 'near'].map((unlink) => send(page, PATH, { unlink })));
      assert.deepEqual(ends.map(({ response }) => response.status).toSorted(), [200, 422]);
      assert.equal(await linked(person.id), 1);
      assert.deepEqual(await eventsOf(server, person.id), ['identity_unlinked']);
    }
  });

  it('changes nothing for what is nobody’s or somebody else’s, without the form’s token, and after too long', async () => {
    const [{ page }, other] = [await visitor('near'), await visitor('far')];
    for (const unlink of ['far', 'nowhere', '', '\u0000', '\u202e', 'x'.repeat(5_000), 'near\n']) {
      const { response } = await unchanged(server, () => send(page, PATH, { unlink }), ['session']);
      assert.equal(response.status, unlink === '\u0000' ? 400 : 200, JSON.stringify(unlink));
    }
    const post = (fields: Record<string, string>) =>
      page.person.open(PATH, { method: 'POST', body: new URLSearchParams(fields), headers: { 'sec-fetch-site': 'same-origin' } });
    const foreign = /name="csrf" value="([^"]+)"/.exec(other.page.html)?.[1] ?? '';
    const wish = String(linkAt(page)).split('wish=')[1] ?? '';
    for (const fields of [{}, { csrf: '' }, { csrf: foreign }, { csrf: wish }] as Record<string, string>[]) {
      const refused = await unchanged(server, () => post({ unlink: 'near', ...fields }), ['session']);
      assert.equal(refused.response.status, 403, JSON.stringify(fields));
    }
    await ageSignIns(server, 3_600);
    const asked = await unchanged(server, () => send(page, PATH, { unlink: 'near' }), ['session', 'protocol_record']);
    assert.match(asked.url.pathname, /^\/interaction\//);
  });

  it('is part of what an account leaves: its person has a copy of the details, and with the account everything is given back', async () => {
    const { person, accessToken, client } = await createReaching(server, upstream);
    assert.equal((await exchange(server, client, accessToken)).status, 200);
    const page = await openAccount(server, person, '/account/export');
    const copy = await send(page, '/account/export', {});
    const { linkedAccounts } = JSON.parse(copy.html) as { linkedAccounts: Record<string, unknown>[] };
    assert.equal(linkedAccounts.length, 1);
    assert.deepEqual(linkedAccounts[0]?.['provider'], { id: 'far', name: 'Far' });
    assert.equal((linkedAccounts[0]?.['details'] as { email?: string } | undefined)?.email, upstream.person['email']);
    const sealed = await server.sql(
      'select access_token, refresh_token from upstream_token t join upstream_identity i on i.id = t.identity_id where account_id = $1',
      [person.id],
    );
    for (const secret of sealed.flatMap((row) => Object.values(row))) assert(!copy.html.includes(String(secret)));

    const before = await countRows(server, 'upstream_revocation');
    await server.sql(`update user_account set delete_after = now() - interval '1 second' where id = $1`, [person.id]);
    await prune(server.database);
    assert.equal(await linked(person.id), 0);
    assert.equal(await countRows(server, 'upstream_revocation'), before + sealed.length, 'the tokens of links and of apps alike');
    const { upstream_identity: identities, upstream_token: tokens } = await dumpTables(server);
    for (const row of [...(identities ?? []), ...(tokens ?? [])]) assert(!row.includes(person.id), row);
  });

  it('what an app does at a provider stands under its name among the connected apps', async () => {
    const { person } = await createReaching(server, upstream);
    const { html } = await openAccount(server, person, '/account/apps');
    assert.match(html, /<h3[^>]*>May act for you at Far<\/h3>\s*<ul class="points">\s*<li>Read notes\.read/);
    assert.match(html, /<ul class="points">\s*<li>Recognize you[\s\S]*May act for you at Far/);
    assert.doesNotMatch(html, /far:notes/);
  });
});
