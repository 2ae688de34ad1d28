import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { addPasskey, addTotp, forgetSteps, makeRecoveryCodes, openToAdd, options, secretOf, totpCode } from '../support/factors.ts';
import { authorizePath, type Credentials, pkce, type TestClient } from '../support/flow.ts';
import { lettersTo } from '../support/mailbox.ts';
import { type Page, Person } from '../support/person.ts';

/** Every form about second factors, filled in wrong: a readable page, nothing changed, no 5xx. */
describe('Forms about second factors', () => {
  let server: TestServer;
  let client: TestClient;
  before(async () => {
    server = await startTestServer();
    client = await server.createClient();
  });
  after(() => server.close());

  type Someone = Credentials & { id: string; browser: Person; secret: string; passkey: string };

  /** Somebody with all there is, signed in a moment ago. */
  async function equipped(): Promise<Someone> {
    const credentials = await server.createPerson();
    const { person: browser, secret } = await addTotp(server, credentials);
    const { authenticator } = await addPasskey(server, credentials, browser);
    await makeRecoveryCodes(browser);
    await forgetSteps(server, credentials.id);
    return { ...credentials, browser, secret, passkey: authenticator.id };
  }

  const stored = (id: string) =>
    server.sql(
      `select 'passkey' as what, id, name || counter as state from passkey where account_id = $1 union all
        select 'totp', account_id, secret || last_step from totp_factor where account_id = $1 union all
        select 'code', encode(digest, 'hex'), used_at::text from recovery_code where account_id = $1 union all
        select 'session', uid, payload->>'amr' from session where account_id = $1 union all
        select 'letter', id, recipient from mail order by 1, 2`,
      [id],
    );

  const FORMS: Record<string, (someone: Someone) => Record<string, string>> = {
    '/account/factors/passkey': () => ({ credential: '{}', name: 'x' }),
    '/account/factors/passkey/name': ({ passkey }) => ({ id: passkey, name: 'Other' }),
    '/account/factors/passkey/remove': ({ passkey }) => ({ id: passkey }),
    '/account/factors/totp': () => ({ sealed: 'x', code: '000000' }),
    '/account/factors/totp/remove': () => ({}),
    '/account/factors/recovery-codes': () => ({}),
  };
  const csrfOf = async (someone: Someone) => String((await someone.browser.open('/account/factors')).form().hidden['csrf']);
  const post = (browser: Person, path: string, body: BodyInit, headers: Record<string, string> = {}) =>
    browser.open(path, { method: 'POST', body, headers });

  for (const [path, fields] of Object.entries(FORMS))
    it(`${path}: refused without its token, with a stranger's, from another site, too large, or of another type`, async () => {
      const [someone, stranger] = [await equipped(), await equipped()];
      const [own, foreign] = [await csrfOf(someone), await csrfOf(stranger)];
      const before = await stored(someone.id);
      const right = () => new URLSearchParams({ ...fields(someone), csrf: own });
      const attempts: [number, () => Promise<Page>][] = [
        [403, () => post(someone.browser, path, new URLSearchParams(fields(someone)))],
        [403, () => post(someone.browser, path, new URLSearchParams({ ...fields(someone), csrf: '' }))],
        [403, () => post(someone.browser, path, new URLSearchParams({ ...fields(someone), csrf: foreign }))],
        [403, () => post(someone.browser, path, right(), { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' })],
        [403, () => post(someone.browser, path, new URLSearchParams())],
        [413, () => post(someone.browser, path, new URLSearchParams({ csrf: own, more: 'x'.repeat(70_000) }))],
        [400, () => post(someone.browser, path, `${right()}&id=%00`, { 'content-type': 'application/x-www-form-urlencoded' })],
        [415, () => post(someone.browser, path, JSON.stringify({ csrf: own }), { 'content-type': 'application/json' })],
      ];
      for (const [status, attempt] of attempts) {
        const page = await attempt();
        assert.equal(page.response.status, status);
        assert.match(page.html, /<h1>/);
        assert.deepEqual(await stored(someone.id), before);
      }
      const nobody = await post(new Person(server.issuer), path, right());
      assert.match(nobody.html, /name="password"/, 'who is not signed in is asked to');
      assert.deepEqual(await stored(someone.id), before);
    });

  it("somebody else's passkey is neither renamed nor removed", async () => {
    const [someone, stranger] = [await equipped(), await equipped()];
    const before = await stored(stranger.id);
    const csrf = await csrfOf(someone);
    for (const path of ['/account/factors/passkey/name', '/account/factors/passkey/remove']) {
      const page = await post(someone.browser, path, new URLSearchParams({ csrf, id: stranger.passkey, name: 'Mine' }));
      assert.equal(page.url.href, `${server.issuer}/account/factors`);
    }
    assert.deepEqual(await stored(stranger.id), before);
  });

  it('a name of nothing, of too much, or that deceives, is none, a short one, a plain one', async () => {
    const someone = await equipped();
    const csrf = await csrfOf(someone);
    const rename = async (name: string) => {
      await post(someone.browser, '/account/factors/passkey/name', new URLSearchParams({ csrf, id: someone.passkey, name }));
      return (await server.sql('select name from passkey where id = $1', [someone.passkey]))[0]?.['name'];
    };
    assert.equal(await rename(' \u200b\u202e\n '), 'Key', 'nothing is left of it, so nothing changed');
    assert.equal(await rename('a\u202eb\u0007\tc\u2028d'), 'a b c d');
    assert.equal(await rename('가'.repeat(500)), '가'.repeat(60));
    assert.equal(await rename('<script>'), '<script>');
    assert.doesNotMatch((await someone.browser.open('/account/factors')).html, /<script>/);
  });

  it('an app is set up once, however many tabs confirm one', async () => {
    const credentials = await server.createPerson();
    const browser = new Person(server.issuer);
    const pages = [await openToAdd(server, browser, '/account/factors/totp', credentials), await browser.open('/account/factors/totp')];
    const answers = await Promise.all(pages.map((page) => page.submit({ code: totpCode(secretOf(page)) })));
    assert.equal(answers.filter(({ url }) => url.search === '?done=totp_added').length, 1);
    assert.equal((await server.sql('select 1 from totp_factor where account_id = $1', [credentials.id])).length, 1);
    const again = await browser.open('/account/factors/totp');
    assert.equal(again.url.pathname, '/account/factors', 'there is one already');
  });

  it("an app's secret of another account, another session or nobody's is not taken", async () => {
    const [one, two] = [await server.createPerson(), await server.createPerson()];
    const [page, other] = [
      await openToAdd(server, new Person(server.issuer), '/account/factors/totp', one),
      await openToAdd(server, new Person(server.issuer), '/account/factors/totp', two),
    ];
    for (const sealed of [String(other.form().hidden['sealed']), 'v1.a.b.c', '', 'x'.repeat(9_000)]) {
      const refused = await page.submit({ sealed, code: totpCode(secretOf(other)) });
      assert.equal(refused.response.status, 400);
      assert.match(refused.html, /This took too long/);
    }
    assert.deepEqual(
      await server.sql('select 1 from totp_factor'),
      await server.sql('select 1 from totp_factor where account_id <> all($1)', [[one.id, two.id]]),
    );
  });

  it('the last passkey of an account without a password stays; of two that are removed at once, one does', async () => {
    const credentials = await server.createPerson();
    const { authenticator, person: browser } = await addPasskey(server, credentials);
    const { authenticator: second } = await addPasskey(server, credentials, browser);
    await server.sql('update user_account set password_hash = null where id = $1', [credentials.id]);
    const csrf = String((await browser.open('/account/factors')).form().hidden['csrf']);
    const remove = (id: string) => post(browser, '/account/factors/passkey/remove', new URLSearchParams({ csrf, id }));
    await Promise.all([remove(authenticator.id), remove(second.id)]);
    const left = await server.sql('select id from passkey where account_id = $1', [credentials.id]);
    assert.equal(left.length, 1);
    assert.match((await remove(String(left[0]?.['id']))).html, /The passkey was not removed/);
    assert.equal((await server.sql('select id from passkey where account_id = $1', [credentials.id])).length, 1);
  });

  it('there are twenty passkeys at most', async () => {
    const someone = await equipped();
    await server.sql(
      `insert into passkey (id, account_id, public_key, backed_up, name, transports) select 'more-' || n, $1, '', false, 'x', '{}' from generate_series(1, 19) n`,
      [someone.id],
    );
    const before = await stored(someone.id);
    const page = await someone.browser.open('/account/factors/passkey');
    const { Authenticator } = await import('../support/authenticator.ts');
    const credential = await new Authenticator(server.issuer).create(await options(someone.browser, '/account/factors/passkey/options'));
    const refused = await page.submit({ credential });
    assert.equal(refused.response.status, 400);
    assert.match(refused.html, /You can have up to 20 passkeys/);
    assert.deepEqual(await stored(someone.id), before);
  });

  it('the factor form: refused without its token, with another page’s, and after it expired; a second time it leads where it led', async () => {
    const someone = await equipped();
    const open = async () =>
      (await new Person(server.issuer).open(authorizePath(client, { ...pkce(), code_verifier: undefined }))).submit({
        email: someone.email,
        password: someone.password,
      });
    const [page, other] = [await open(), await open()];
    const before = await stored(someone.id);
    for (const path of ['factor', 'passkey'])
      for (const csrf of ['', 'guessed', String(other.form().hidden['csrf'])])
        assert.equal(
          (
            await post(
              page.person,
              `${page.url.pathname}/${path}`,
              new URLSearchParams({ csrf, code: totpCode(someone.secret), credential: '{}' }),
            )
          ).response.status,
          403,
        );
    assert.deepEqual(await stored(someone.id), before);
    const code = totpCode(someone.secret);
    assert.match((await page.submit({ code })).html, /value="approve"/);
    const after = await stored(someone.id);
    assert.match((await page.submit({ code })).html, /value="approve"/, 'a second time');
    await server.sql(`delete from protocol_record where kind = 'Interaction'`);
    const expired = await other.submit({ code: totpCode(someone.secret, 1) });
    assert.equal(expired.response.status, 400);
    assert.match(expired.html, /This page is no longer valid/);
    assert.deepEqual(await stored(someone.id), after);
  });

  it('each change is told by a letter, without a secret in it', async () => {
    const someone = await equipped();
    await post(someone.browser, '/account/factors/totp/remove', new URLSearchParams({ csrf: await csrfOf(someone) }));
    const letters = await lettersTo(server, someone.email);
    assert.deepEqual(
      letters.map(({ subject }) => subject),
      ['An authenticator app was added', 'A passkey was added', 'New recovery codes were created', 'The authenticator app was removed'],
    );
    for (const { text } of letters)
      assert(!text.includes(someone.secret) && !/[a-z2-9]{5}-[a-z2-9]{5}/.test(text.replace(/https?:\S+/g, '')));
    const events = await server.sql(`select type from audit_event where account_id = $1 and type ~ 'totp|passkey|recovery' order by id`, [
      someone.id,
    ]);
    assert.deepEqual(
      events.map(({ type }) => type),
      ['totp_added', 'passkey_added', 'recovery_codes_made', 'totp_removed'],
    );
  });
});
