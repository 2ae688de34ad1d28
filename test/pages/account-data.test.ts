import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { prune } from '../../src/oauth/store/prune.ts';
import { eventsOf, openAccount, send } from '../support/account.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { obtainTokens } from '../support/flow.ts';
import { Person } from '../support/person.ts';
import { countRows, unchanged } from '../support/storage.ts';

describe('What a person can read of what is kept', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  const insertEvents = (accountId: string, count: number, age = '1 hour') =>
    server.sql(
      `insert into audit_event (id, at, type, account_id, browser, address, detail)
       select uuidv7()::text, now() - $3::interval - n / 2 * interval '1 minute', 'session_ended', $1, 'Browser ' || n, '192.0.2.0/24', '{}' from generate_series(1, $2::int) n`,
      [accountId, count, age],
    );

  describe('activity', () => {
    const browsers = (html: string) => [...html.matchAll(/<bdi>Browser (\d+)<\/bdi>/g)].map(([, n]) => Number(n)).toSorted((a, b) => a - b);

    it('is told page by page, each event once, and nobody else’s', async () => {
      const [person, other] = [await server.createPerson(), await server.createPerson()];
      await insertEvents(person.id, 45);
      await insertEvents(other.id, 3, '1 second');
      const seen: number[] = [];
      let page = await openAccount(server, person, '/account/activity');
      for (let n = 0; n < 3; n++) {
        seen.push(...browsers(page.html));
        const older = /href="(\/account\/activity\?before=[^"]+)"/.exec(page.html)?.[1];
        assert.equal(older === undefined, n === 2, `page ${n}`);
        if (older) page = await page.person.open(older);
      }
      assert.equal(seen.length, 45);
      assert.deepEqual(
        seen.toSorted((a, b) => a - b),
        Array.from({ length: 45 }, (_, n) => n + 1),
      );
      assert.match(page.html, /<a class="button" href="\/account\/activity">Newest<\/a>/);
    });

    it('begins at the beginning for a place that is not one of its own', async () => {
      const [person, other] = [await server.createPerson(), await server.createPerson()];
      await insertEvents(person.id, 3);
      await insertEvents(other.id, 1, '5 years');
      const [foreign] = await server.sql('select id from audit_event where account_id = $1', [other.id]);
      const { person: browser } = await openAccount(server, person, '/account/activity');
      for (const before of [String(foreign?.['id']), '', 'x', '\u202e', "' or 1=1 --", '%00', 'x'.repeat(3_000)]) {
        const page = await browser.open(`/account/activity?before=${before === '%00' ? before : encodeURIComponent(before)}`);
        assert.equal(page.response.status, 200, before);
        assert.deepEqual(browsers(page.html), [1, 2, 3]);
      }
      assert.deepEqual(browsers((await browser.open('/account/activity?before=a&before=b')).html), [1, 2, 3]);
    });

    it('is kept for a year', async () => {
      const person = await server.createPerson();
      await insertEvents(person.id, 2, '366 days');
      await insertEvents(person.id, 2, '364 days');
      await prune(server.database);
      assert.equal(await countRows(server, 'audit_event where account_id = $1', [person.id]), 2);
    });

    it('has nothing to show at first, and says so', async () => {
      const person = await server.createPerson();
      const { person: browser } = await openAccount(server, person);
      await server.sql('delete from audit_event where account_id = $1', [person.id]);
      assert.match((await browser.open('/account/activity')).html, /No activity/);
    });
  });

  describe('the export', () => {
    /** Whoever has a further factor has shown it in every browser. */
    const shownFactor = (id: string) =>
      server.sql(`update session set payload = jsonb_set(payload, '{amr}', '["pwd", "otp", "mfa"]') where account_id = $1`, [id]);

    it('holds everything that is kept about a person, as a file that nobody keeps a copy of on the way', async () => {
      const person = await server.createPerson();
      const client = await server.createClient({ client_name: 'Moonlight' });
      await obtainTokens(server, client, person, { scope: 'openid email' });
      const { person: browser } = await openAccount(server, person);
      await server.sql(
        `insert into passkey (id, account_id, public_key, transports, backed_up, name) values ('credential-of-mine', $1, '\\xdeadbeef', '{internal}', true, 'My phone')`,
        [person.id],
      );
      await server.sql(`insert into totp_factor (account_id, secret, confirmed_at) values ($1, 'sealed-secret-of-mine', now())`, [
        person.id,
      ]);
      await server.sql(`insert into recovery_code (digest, account_id) values ('\\xfeedface', $1)`, [person.id]);
      await shownFactor(person.id);
      const page = await openAccount(server, person, '/account/export', browser);
      const { response, html } = await send(page, '/account/export', {});
      assert.equal(response.status, 200);
      assert.match(String(response.headers.get('content-type')), /^application\/json/);
      assert.equal(response.headers.get('content-disposition'), 'attachment; filename="munjigi-account.json"');
      assert.equal(response.headers.get('cache-control'), 'no-store');
      const copy = JSON.parse(html);
      assert.equal(copy.profile.email, person.email);
      assert.deepEqual(
        [
          copy.signIn.password,
          copy.signIn.passkeys[0].name,
          typeof copy.signIn.authenticatorApp.confirmedAt,
          copy.signIn.recoveryCodes.length,
        ],
        [true, 'My phone', 'string', 1],
      );
      assert.equal(copy.connectedApps.length, 1);
      assert.deepEqual(
        copy.connectedApps[0].scopes.map(({ scope }: { scope: string }) => scope),
        ['openid', 'email'],
      );
      assert.equal(copy.sessions.length, 2);
      assert.equal(copy.sessions.filter(({ thisDevice }: { thisDevice: boolean }) => thisDevice).length, 1);
      assert.equal(copy.activity[0].type, 'data_exported');
      assert.equal(copy.notIncluded.length, 1);
    });

    it('holds nothing that could be presented to anyone: no hash, digest, cookie, handle, token or secret', async () => {
      const person = await server.createPerson();
      const { person: browser } = await openAccount(server, person);
      const { person: _, ...tokens } = await obtainTokens(server, await server.createClient(), person, { scope: 'openid offline_access' });
      await server.sql(`insert into totp_factor (account_id, secret) values ($1, 'sealed-secret-of-mine')`, [person.id]);
      await server.sql(
        `insert into passkey (id, account_id, public_key, transports, backed_up, name) values ('credential-of-theirs', $1, '\\xdeadbeef', '{}', true, 'x')`,
        [person.id],
      );
      await server.sql(`insert into recovery_code (digest, account_id) values ('\\xfeedfacf', $1)`, [person.id]);
      await shownFactor(person.id);
      const page = await openAccount(server, person, '/account/export', browser);
      const csrf = String(page.form().hidden['csrf']);
      const { html } = await send(page, '/account/export', {});
      const rows = await server.sql(
        `select password_hash as secret from user_account where id = $1
         union all select uid from session where account_id = $1 union all select encode(id, 'hex') from session where account_id = $1
         union all select encode(id, 'base64') from session where account_id = $1 union all select encode(id, 'hex') from token where account_id = $1
         union all select id from grant_record where account_id = $1 union all select secret from totp_factor where account_id = $1
         union all select id from passkey where account_id = $1 union all select encode(public_key, 'hex') from passkey where account_id = $1
         union all select encode(digest, 'hex') from recovery_code where account_id = $1`,
        [person.id],
      );
      const cookies = page.person.cookies().map((pair) => pair.slice(pair.indexOf('=') + 1));
      const secrets = [
        ...rows.map(({ secret }) => String(secret)),
        ...cookies,
        csrf,
        person.password,
        ...Object.values(tokens).filter((value) => typeof value === 'string' && value.length > 30),
      ];
      assert(secrets.length > 15);
      assert.deepEqual(
        secrets.filter((secret) => html.includes(String(secret))),
        [],
      );
      assert.doesNotMatch(html, /\$argon2|"(id|uid|jti|sid|payload|passwordHash|secret|digest|publicKey)": "(?!${person.id})[^"]*\$/);
    });

    it('holds nothing of anybody else, whatever the form says', async () => {
      const [person, other] = [await server.createPerson(), await server.createPerson()];
      await obtainTokens(server, await server.createClient({ client_name: 'Of another' }), other);
      await openAccount(server, other);
      const page = await openAccount(server, person, '/account/export');
      const { html } = await send(page, '/account/export', { account: other.id, id: other.id, email: other.email });
      for (const words of [other.id, other.email, other.username, 'Of another']) assert(!html.includes(words));
    });

    it('is refused without its token, to who is not signed in, and after five in a quarter of an hour', async () => {
      const person = await server.createPerson();
      const page = await openAccount(server, person, '/account/export');
      assert.equal((await unchanged(server, () => send(page, '/account/export', { csrf: 'guessed' }))).response.status, 403);
      assert.match((await new Person(server.issuer).open('/account/export', { method: 'POST' })).html, /name="password"/);
      for (let n = 0; n < 5; n++) assert.equal((await send(page, '/account/export', {})).response.status, 200);
      assert.equal((await send(page, '/account/export', {})).response.status, 429);
      assert.equal((await eventsOf(server, person.id)).length, 5);
    });
  });
});
