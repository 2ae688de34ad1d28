import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { eventsOf, openAccount, send } from '../support/account.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { createResourceServerClient, introspect, obtainTokens, type TestClient } from '../support/flow.ts';
import { Person } from '../support/person.ts';
import { countRows, unchanged } from '../support/storage.ts';

const PAGES = [
  '/account',
  '/account/profile',
  '/account/email',
  '/account/password',
  '/account/apps',
  '/account/sessions',
  '/account/activity',
  '/account/export',
  '/account/delete',
];

describe('The account page', () => {
  let server: TestServer;
  let api: TestClient;
  before(async () => {
    server = await startTestServer();
    api = await createResourceServerClient(server);
  });
  after(() => server.close());

  /** @param by who asks: to an API a refresh token is never active, so for one the client asks itself. */
  const isActive = async (token: string | undefined, by = api) => (await introspect(server, by, String(token)))['active'];

  it('has a page for everything, each with a way to all the others, in both languages', async () => {
    const person = await server.createPerson();
    for (const language of ['ko', 'en']) {
      const browser = new Person(server.issuer);
      browser.headers = { 'accept-language': language };
      for (const path of PAGES) {
        const page = await openAccount(server, person, path, browser);
        assert.equal(page.response.headers.get('content-language'), language);
        assert.equal(page.response.headers.get('cache-control'), 'no-store');
        const links = [...page.html.matchAll(/<a [^>]*href="(\/account[a-z/]*)"/g)].map(([, href]) => String(href));
        const missing = [...PAGES, '/account/factors'].filter((other) => other !== path && !links.includes(other));
        assert.deepEqual(missing, [], path);
      }
    }
  });

  describe('connected apps', () => {
    it('shows an app with what it may do, in words, and neither our own pages nor what somebody else allowed', async () => {
      const person = await server.createPerson();
      const client = await server.createClient({ client_name: '<b>Moon</b>light' });
      const other = await server.createClient({ client_name: 'Sunlight' });
      await obtainTokens(server, client, person, { scope: 'openid profile email restricted' });
      await obtainTokens(server, other, await server.createPerson());
      const { html } = await openAccount(server, person, '/account/apps');
      assert(html.includes('<bdi>&lt;b&gt;Moon&lt;/b&gt;light</bdi></h2>'));
      for (const words of ['See your name and user name', 'See your email address', 'Read restricted data too'])
        assert(html.includes(words));
      assert.doesNotMatch(html, /Read your data|Sunlight|<bdi>Munjigi/);
      assert.match(html, /<dt>Last used<\/dt>\s*<dd>\w+ \d+, \d{4} at \d+:\d\d [AP]M UTC/);
    });

    it('names the scopes of other APIs too, and who an operator found behind an app', async () => {
      const person = await server.createPerson();
      const client = await server.createClient();
      await server.sql(`update client set publisher = 'Moon & Co', verified_at = now() where id = $1`, [client.client_id]);
      const resource = `${server.issuer}/api/posts`;
      await obtainTokens(server, client, person, { scope: 'openid posts:read posts:write', resource }, { resource });
      const { html } = await openAccount(server, person, '/account/apps');
      assert.match(html, /Read posts[\s\S]*Write, change and delete posts in your name/);
      assert.match(html, /<bdi>Moon &amp; Co<\/bdi> <span class="tag">Verified<\/span>/);
    });

    it('takes back all that was allowed an app, at once and on every device, and nothing of anybody else', async () => {
      const [person, bystander] = [await server.createPerson(), await server.createPerson()];
      const [client, kept] = [await server.createClient({ client_name: 'Moonlight' }), await server.createClient()];
      const first = await obtainTokens(server, client, person, { scope: 'openid offline_access api' });
      const second = await obtainTokens(server, client, person, { scope: 'openid api', prompt: 'consent' });
      const others = [await obtainTokens(server, kept, person), await obtainTokens(server, client, bystander)];
      const page = await openAccount(server, person, '/account/apps', first.person);
      const done = await send(page, '/account/apps', { client: client.client_id });
      assert.equal(done.url.search, '?done');
      assert(!done.html.includes('Moonlight'));
      for (const token of [first.access_token, first.refresh_token, second.access_token, second.refresh_token])
        assert.equal(await isActive(token, client), false);
      for (const { access_token } of others) assert.equal(await isActive(access_token), true);
      assert.equal((await eventsOf(server, person.id))[0], 'access_revoked');
      const activity = await openAccount(server, person, '/account/activity', first.person);
      assert.match(activity.html, /Access of an app removed <strong><bdi>Moonlight<\/bdi><\/strong>/);
    });

    it("changes nothing for another person's app, an unknown one, our own, or twice", async () => {
      const [person, other] = [await server.createPerson(), await server.createPerson()];
      const client = await server.createClient();
      const tokens = await obtainTokens(server, client, other);
      const { person: browser } = await obtainTokens(server, await server.createClient(), person);
      const page = await openAccount(server, person, '/account/apps', browser);
      for (const id of [client.client_id, 'nobody', 'munjigi-account', '', '\u202e', 'x'.repeat(5_000)]) {
        const answer = await unchanged(server, () => send(page, '/account/apps', { client: id }));
        assert.equal(answer.response.status, 200, id);
        assert.doesNotMatch(answer.html, /role="status"/);
      }
      assert.equal(await isActive(tokens.access_token), true);
    });
  });

  describe('sessions', () => {
    function chrome(): Person {
      const person = new Person(server.issuer);
      person.headers = { 'user-agent': CHROME };
      return person;
    }

    async function threeBrowsers() {
      const person = await server.createPerson();
      const client = await server.createClient();
      const [here, there, elsewhere] = [
        await openAccount(server, person, '/account/sessions', chrome()),
        await obtainTokens(server, client, person, { scope: 'openid api' }),
        await obtainTokens(server, client, person, { scope: 'openid api offline_access', prompt: 'consent' }),
      ];
      return { person, client, here: await here.person.open('/account/sessions'), there, elsewhere };
    }

    /** The session in which a token was issued. */
    async function sessionOf({ access_token }: { access_token: string }): Promise<string> {
      const [row] = await server.sql(`select payload->>'sessionUid' as uid from token where id = sha256($1)`, [Buffer.from(access_token)]);
      return String(row?.['uid']);
    }

    it('shows where a person is signed in: the browser, the network, since when, and which it is', async () => {
      const { here } = await threeBrowsers();
      assert.match(here.html, /<h2 id="browser-0"><bdi>Chrome, Windows<\/bdi> <span class="tag">This device<\/span><\/h2>/);
      assert.equal([...here.html.matchAll(/<section class="item">/g)].length, 3);
      assert.match(here.html, /<bdi>127\.0\.0\.0\/24<\/bdi>|<bdi>::\/48<\/bdi>/);
      assert.equal([...here.html.matchAll(/This device/g)].length, 1);
      assert.doesNotMatch(here.html, /name="session" value=""/);
    });

    it('ends one: its browser is signed out, and what an app held for as long as it was signed in is over; what was to outlast it does', async () => {
      const { person, client, here, there, elsewhere } = await threeBrowsers();
      assert.equal(await isActive(there.refresh_token, client), true);
      const done = await send(here, '/account/sessions', { session: await sessionOf(there) });
      assert.equal(done.url.search, '?done');
      assert.equal(await isActive(there.access_token), false);
      assert.equal(await isActive(there.refresh_token, client), false);
      assert.equal(await isActive(elsewhere.access_token), true);
      assert.match((await there.person.open('/account')).html, /name="password"/);
      assert.equal((await elsewhere.person.open('/account')).url.pathname, '/account');
      assert.equal((await eventsOf(server, person.id))[0], 'session_ended');
      await send(here, '/account/sessions', { session: await sessionOf(elsewhere) });
      assert.match((await elsewhere.person.open('/account')).html, /name="password"/);
      for (const token of [elsewhere.access_token, elsewhere.refresh_token])
        assert.equal(await isActive(token, client), true, 'offline access');
    });

    it('ends all others, and this one stays', async () => {
      const { person, here, there, elsewhere } = await threeBrowsers();
      const done = await send(here, '/account/sessions', { others: 'yes' });
      assert.equal(done.url.search, '?done');
      assert.equal(await countRows(server, 'session where account_id = $1', [person.id]), 1);
      assert.equal(await isActive(there.access_token), false);
      for (const { person: browser } of [there, elsewhere]) assert.match((await browser.open('/account')).html, /name="password"/);
      assert.deepEqual(await eventsOf(server, person.id), ['other_sessions_ended']);
      await unchanged(server, () => send(here, '/account/sessions', { others: 'yes' }));
    });

    it("changes nothing for another person's session, an unknown one, or this one", async () => {
      const [mine, others] = [await threeBrowsers(), await threeBrowsers()];
      const rows = await server.sql('select uid, encode(id, $$hex$$) as id from session where account_id = $1', [others.person.id]);
      const own = await server.sql(`select uid from session where account_id = $1 and browser = 'Chrome, Windows'`, [mine.person.id]);
      for (const session of [...rows.flatMap(({ uid, id }) => [uid, id]), own[0]?.['uid'], '', 'x'.repeat(5_000)])
        await unchanged(server, () => send(mine.here, '/account/sessions', { session: String(session) }));
      assert.equal(await isActive(others.there.access_token), true);
    });
  });
});

const CHROME = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36';
