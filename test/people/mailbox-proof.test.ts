import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ageSignIns, openAccount, send } from '../support/account.ts';
import { Authenticator } from '../support/authenticator.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { addTotp, options, secretOf, totpCode } from '../support/factors.ts';
import type { Credentials, TestClient } from '../support/flow.ts';
import { lettersTo, proofIn } from '../support/mailbox.ts';
import { type Page, Person } from '../support/person.ts';
import { beginSignUp, newcomer, newestProof, wrongOf } from '../support/sign-up.ts';
import { countRows, passAMinute, unchanged } from '../support/storage.ts';

const PASSKEY = '/account/factors/passkey';

describe('A new way into an account takes more than the password', () => {
  let server: TestServer;
  let client: TestClient;
  before(async () => {
    server = await startTestServer();
    client = await server.createClient({ client_name: 'Moonlight' });
  });
  after(() => server.close());

  /** Signed in with the password alone, in front of the page that asks for a proof. */
  async function asked(credentials: Credentials, path = PASSKEY): Promise<Page> {
    const browser = new Person(server.issuer);
    await openAccount(server, credentials, '/account', browser);
    const page = await browser.open(path);
    assert.match(page.url.pathname, /^\/account\/proof\//, page.html);
    return page;
  }

  const codeTo = async (email: string) => String(proofIn((await lettersTo(server, email)).at(-1) ?? assert.fail('no letter')).code);
  const factorsOf = (id: string) =>
    countRows(server, '(select account_id from passkey union all select account_id from totp_factor) f where account_id = $1', [id]);
  const provenAt = async (id: string) =>
    (await server.sql('select mailbox_proven_at from user_account where id = $1', [id]))[0]?.['mailbox_proven_at'];

  it('the code of a mail opens each such page, in the session that asked', async () => {
    const PAGES = { [PASSKEY]: 'Create passkey', '/account/factors/totp': 'Scan this code', '/account/email': 'New email' };
    for (const [path, words] of Object.entries(PAGES)) {
      const person = await server.createPerson();
      const page = await asked(person, path);
      assert(page.html.includes(person.email));
      const waiting = await page.submit({});
      const opened = await waiting.submit({ code: await codeTo(person.email) });
      assert.equal(opened.url.pathname, path);
      assert(opened.html.includes(words), opened.html);
      assert(await provenAt(person.id), 'the account knows when its mailbox was proven');
    }
  });

  it('no form adds anything without it, whatever it sends', async () => {
    const person = await server.createPerson();
    const page = await asked(person);
    const authenticator = new Authenticator(server.issuer);
    const credential = await authenticator.create({ challenge: 'guessed' });
    const forms: [string, Record<string, string>][] = [
      [PASSKEY, { credential, name: 'Key' }],
      ['/account/factors/totp', { sealed: 'x', code: '000000' }],
      ['/account/factors/recovery-codes', {}],
      ['/account/email', { email: 'thief@evil.example' }],
    ];
    for (const [path, fields] of forms) {
      const sent = await unchanged(server, () => send(page, path, fields), ['kept_answer']);
      assert.match(sent.url.pathname, /^\/account\/proof\//, path);
    }
    const refused = await page.person.request(`${PASSKEY}/options`);
    assert.equal(refused.status, 303);
    assert.deepEqual(await lettersTo(server, 'thief@evil.example'), []);
    assert.equal(await factorsOf(person.id), 0);
  });

  it('a code does not count in another session of the same account, nor for another account', async () => {
    const [person, other] = [await server.createPerson(), await server.createPerson()];
    const waiting = await (await asked(person)).submit({});
    const code = await codeTo(person.email);
    for (const elsewhere of [await asked(person), await asked(other)]) {
      const page = await unchanged(server, () => send(elsewhere, '/account/proof/passkey', { code }), ['kept_answer']);
      assert.equal(page.response.status, 422);
      assert.match((await elsewhere.person.open(PASSKEY)).url.pathname, /proof/);
    }
    assert.equal((await waiting.submit({ code })).url.pathname, PASSKEY);
  });

  it('five wrong codes end it, a second mail replaces the first, and a code works once', async () => {
    const person = await server.createPerson();
    let page = await (await asked(person)).submit({});
    const first = await codeTo(person.email);
    for (let tries = 0; tries < 5; tries++) page = await page.submit({ code: wrongOf(first) });
    assert.match(page.html, /You have no attempts left/);
    assert.equal((await page.submit({ code: first })).response.status, 422);
    await passAMinute(server);
    page = await send(await page.person.open('/account/proof/passkey'), '/account/proof/passkey', {});
    const second = await codeTo(person.email);
    assert.notEqual(second, first);
    assert.equal((await page.submit({ code: second })).url.pathname, PASSKEY);
    const elsewhere = await asked(person);
    assert.equal((await send(elsewhere, '/account/proof/passkey', { code: second })).response.status, 422, 'it was used');
  });

  it('a code expires, and is void once the account has another address', async () => {
    for (const change of [
      `update one_time_token set expires_at = now() - interval '1 second' where account_id = $1`,
      `update user_account set email = 'moved.' || email where id = $1`,
    ]) {
      const person = await server.createPerson();
      const waiting = await (await asked(person)).submit({});
      const code = await codeTo(person.email);
      await server.sql(change, [person.id]);
      assert.equal((await waiting.submit({ code })).response.status, 422);
      assert.equal(await provenAt(person.id), null);
      assert.match((await waiting.person.open(PASSKEY)).url.pathname, /proof/);
    }
  });

  it('of 20 right codes at once one is taken', async () => {
    const person = await server.createPerson();
    const waiting = await (await asked(person)).submit({});
    const code = await codeTo(person.email);
    const csrf = async () => String((await waiting.person.open('/account/proof/passkey')).form().hidden['csrf']);
    const tokens = await Promise.all(Array.from({ length: 20 }, csrf));
    const answers = await Promise.all(
      tokens.map((token) =>
        waiting.person.request('/account/proof/passkey', { method: 'POST', body: new URLSearchParams({ csrf: token, code }) }),
      ),
    );
    assert.equal(answers.filter(({ headers }) => headers.get('location') === PASSKEY).length, 1);
    assert(answers.every(({ status }) => status < 500));
  });

  it('counts for 15 minutes, and not after another sign-in in the same browser', async () => {
    const person = await server.createPerson();
    const opened = await (await (await asked(person)).submit({})).submit({ code: await codeTo(person.email) });
    assert.equal(opened.url.pathname, PASSKEY);
    await server.sql(
      `update session set payload = jsonb_set(payload, '{mailTs}', to_jsonb((payload->>'mailTs')::int - 901)) where account_id = $1`,
      [person.id],
    );
    assert.match((await opened.person.open(PASSKEY)).url.pathname, /proof/);
    const again = await server.createPerson();
    const second = await (await (await asked(again)).submit({})).submit({ code: await codeTo(again.email) });
    await ageSignIns(server, 1_000);
    const signIn = await second.person.open(PASSKEY);
    assert.match(signIn.html, /name="password"/);
    assert.match((await signIn.submit(again)).url.pathname, /proof/);
  });

  it('who has just signed up in this browser has given it; who signs in elsewhere with the password has not', async () => {
    const wish = newcomer();
    const look = await beginSignUp(server, client, wish);
    const signedUp = await look.submit({ code: (await newestProof(server, wish.email)).code });
    const page = await signedUp.person.open('/account/factors/totp');
    assert.equal(page.url.pathname, '/account/factors/totp');
    await asked(wish);
    const added = await page.submit({ code: totpCode(secretOf(page)) });
    assert.equal(added.url.search, '?done=totp_added');
  });

  it('a factor that was shown in the session is as good; to have set one up is not to have shown it', async () => {
    const person = await server.createPerson();
    const { secret, person: browser } = await addTotp(server, person);
    await server.sql('update totp_factor set last_step = 0 where account_id = $1', [person.id]);
    const factor = await (await new Person(server.issuer).open('/account')).submit(person);
    const shown = await factor.submit({ code: totpCode(secret) });
    assert.equal((await shown.person.open(PASSKEY)).url.pathname, PASSKEY);
    const [session] = await server.sql(`select payload from session where account_id = $1 and payload ? 'enrolled'`, [person.id]);
    const { amr, acr } = (session as { payload: { amr: string[]; acr?: string } }).payload;
    assert.deepEqual([amr, acr], [['pwd'], undefined]);
    await server.sql(`update session set payload = payload - 'mailTs' where account_id = $1`, [person.id]);
    assert.match((await browser.open(PASSKEY)).url.pathname, /proof/);
  });

  it('leads on to pages of ours alone', async () => {
    const person = await server.createPerson();
    for (const [at, to] of [
      ['nowhere', '/account'],
      ['__proto__', '/account'],
      ['passkey/x', '/account'],
      ['interaction/..%2f..%2fevil', '/account'],
      ['connect/%2f%2fevil.example', '/account'],
      ['connect/google?request=%22%3E', '/account/links'],
    ]) {
      const page = await asked(person, `/account/proof/${at}`);
      const proven = await (await page.submit({})).submit({ code: await codeTo(person.email) });
      assert.equal(proven.url.origin + proven.url.pathname, server.issuer + to, at);
      await passAMinute(server);
      await server.sql('delete from rate_limit');
    }
  });

  it('the passkey that is made with it signs in', async () => {
    const person = await server.createPerson();
    const opened = await (await (await asked(person)).submit({})).submit({ code: await codeTo(person.email) });
    const authenticator = new Authenticator(server.issuer);
    const credential = await authenticator.create(await options(opened.person, `${PASSKEY}/options`));
    assert.equal((await opened.submit({ credential, name: 'Key' })).url.search, '?done=passkey_added');
    assert.equal(await factorsOf(person.id), 1);
    const [row] = await server.sql(
      'select p.created_at <= u.mailbox_proven_at as own from passkey p join user_account u on u.id = p.account_id where u.id = $1',
      [person.id],
    );
    assert.equal(row?.['own'], true, 'a reset leaves it');
  });
});
