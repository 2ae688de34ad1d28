import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Authenticator, foreignKey, type Lie } from '../support/authenticator.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { addPasskey, openAccount, options } from '../support/factors.ts';
import { authorizePath, pkce, redeem, type TestClient } from '../support/flow.ts';
import { type Page, Person } from '../support/person.ts';

/** Uses a software authenticator for what a browser would not do. In the browser: test/pages/passkey.test.ts. */
describe('Passkeys (WebAuthn level 3)', () => {
  let server: TestServer;
  let client: TestClient;
  before(async () => {
    server = await startTestServer();
    client = await server.createClient();
  });
  after(() => server.close());

  const openSignIn = (challenge = pkce()) =>
    new Person(server.issuer).open(authorizePath(client, { ...challenge, code_verifier: undefined }));
  const optionsOf = (page: Page) => options(page.person, `${page.url.pathname}/passkey`);
  const show = (page: Page, credential: string) =>
    page.person.open(`${page.url.pathname}/passkey`, {
      method: 'POST',
      body: new URLSearchParams({ csrf: String(page.form().hidden['csrf']), credential }),
    });
  const stored = () =>
    server.sql(`select 'passkey' as what, id, counter::text, account_id from passkey union all
      select 'session', uid, payload::text, account_id from session where account_id is not null union all
      select 'code', encode(id, 'hex'), '', account_id from authorization_code order by 1, 2`);

  it('sign in alone, and tokens and session have the method', async () => {
    const person = await server.createPerson();
    const { authenticator } = await addPasskey(server, person);
    const challenge = pkce();
    const page = await openSignIn(challenge);
    const asked = await optionsOf(page);
    assert.deepEqual(asked.allowCredentials, [], 'the browser offers what it has');
    assert.equal(asked['userVerification'], 'required');
    const consent = await show(page, await authenticator.get(asked, { counter: 1 }));
    assert.match(consent.html, /value="approve"/);
    const { url } = await consent.submit({ decision: 'approve' });
    const code = String(url.searchParams.get('code'));
    const { id_token } = (await (
      await redeem(server, client, { code, code_verifier: challenge.code_verifier, redirect_uri: client.redirect_uri })
    ).json()) as {
      id_token: string;
    };
    const claims = JSON.parse(Buffer.from(String(id_token.split('.')[1]), 'base64url').toString());
    assert.equal(claims.sub, person.id);
    assert.deepEqual(claims.amr, ['pop', 'user', 'mfa']);
    assert.equal(claims.acr, 'phr');
    const [passkey] = await server.sql('select counter::int, used_at from passkey where id = $1', [authenticator.id]);
    assert.equal(passkey?.['counter'], 1);
    assert(passkey?.['used_at']);
  });

  it('are accepted for step-up only if they belong to the signed-in account', async () => {
    const [person, other] = [await server.createPerson(), await server.createPerson()];
    const [{ authenticator }, { authenticator: theirs }] = [await addPasskey(server, person), await addPasskey(server, other)];
    const page = await (await openSignIn()).submit(person);
    assert.match(page.html, /data-passkey="get"/);
    const asked = await optionsOf(page);
    assert.deepEqual(
      asked.allowCredentials?.map(({ id }) => id),
      [authenticator.id],
    );
    const before = await stored();
    const refused = await show(page, await theirs.get(asked));
    assert.equal(refused.response.status, 401);
    assert.deepEqual(await stored(), before);
    assert.match((await show(page, await authenticator.get(await optionsOf(page), { userHandle: undefined }))).html, /value="approve"/);
    const shown = await server.sql(`select 1 from session where account_id = $1 and payload->'amr' = '["pwd", "pop", "user", "mfa"]'`, [
      person.id,
    ]);
    assert.equal(shown.length, 1);
  });

  const lies: Record<string, Lie> = {
    'another origin': { origin: 'https://evil.example' },
    'the same host on another port': { origin: 'http://localhost:1' },
    'another relying party': { rpId: 'evil.example' },
    'a user who was not verified': { verified: false },
    'a signature by another key': { key: foreignKey() },
    'the other ceremony': { type: 'webauthn.create' },
    'another user’s handle': { userHandle: Buffer.from('somebody-else').toString('base64url') },
    'no user handle': { userHandle: undefined },
    'an unknown credential': { id: Buffer.from('unknown').toString('base64url') },
  };
  describe('are refused at sign-in, and nothing changes', () => {
    let authenticator: Authenticator;
    before(async () => {
      ({ authenticator } = await addPasskey(server, await server.createPerson()));
    });

    for (const [what, lie] of Object.entries(lies))
      it(what, async () => {
        const page = await openSignIn();
        const before = await stored();
        const refused = await show(page, await authenticator.get(await optionsOf(page), lie));
        assert.equal(refused.response.status, 401);
        assert.match(refused.html, /The passkey was not accepted/);
        assert.deepEqual(await stored(), before);
      });

    it('with a challenge of another browser or page, with an unknown one, and with an old one', async () => {
      const [page, other] = [await openSignIn(), await openSignIn()];
      const before = await stored();
      const ours = (await optionsOf(page)).challenge;
      const [until, ...rest] = Buffer.from(ours, 'base64url').toString().split('.');
      const older = Buffer.from([Number(until) - 600, ...rest].join('.')).toString('base64url');
      for (const challenge of [(await optionsOf(other)).challenge, Buffer.from('made up').toString('base64url'), older, ''])
        assert.equal((await show(page, await authenticator.get({ challenge }))).response.status, 401);
      assert.deepEqual(await stored(), before);
    });

    it('with a repeated answer, also of ten at once', async () => {
      const own = await addPasskey(server, await server.createPerson());
      const [page, answer] = await (async () => {
        const at = await openSignIn();
        return [at, await own.authenticator.get(await optionsOf(at))] as const;
      })();
      const body = new URLSearchParams({ csrf: String(page.form().hidden['csrf']), credential: answer });
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => page.person.request(`${page.url.pathname}/passkey`, { method: 'POST', body })),
      );
      assert.equal(answers.filter(({ status }) => status === 303).length, 1);
      assert.equal(answers.filter(({ status }) => status === 401).length, 9);
    });

    it('with text that is no answer', async () => {
      const page = await openSignIn();
      const before = await stored();
      for (const credential of [
        '',
        'null',
        '[]',
        '{}',
        '{"id":1}',
        '\u202e',
        '{"id":"a\\u0000","rawId":"a","type":"public-key","response":{}}',
        'x'.repeat(50_000),
      ])
        assert.equal((await show(page, credential)).response.status, 401, credential.slice(0, 20));
      assert.deepEqual(await stored(), before);
    });
  });

  it('are refused if the counter does not grow, because that suggests a copy of the key', async () => {
    const { authenticator } = await addPasskey(server, await server.createPerson());
    const first = await openSignIn();
    assert.match((await show(first, await authenticator.get(await optionsOf(first), { counter: 7 }))).html, /value="approve"/);
    for (const counter of [7, 6, 0]) {
      const page = await openSignIn();
      const before = await stored();
      assert.equal((await show(page, await authenticator.get(await optionsOf(page), { counter }))).response.status, 401, `${counter}`);
      assert.deepEqual(await stored(), before);
    }
  });

  it('are limited: of 120 wrong answers at once from one network, no more than the limit are checked; right ones do not count', async () => {
    await server.sql('delete from rate_limit');
    const { authenticator } = await addPasskey(server, await server.createPerson());
    const right = await openSignIn();
    assert.match((await show(right, await authenticator.get(await optionsOf(right)))).html, /value="approve"/);
    const page = await openSignIn();
    const body = new URLSearchParams({ csrf: String(page.form().hidden['csrf']), credential: '{}' });
    const answers = await Promise.all(
      Array.from({ length: 120 }, () => page.person.request(`${page.url.pathname}/passkey`, { method: 'POST', body })),
    );
    assert.equal(answers.filter(({ status }) => status === 401).length, 100);
    assert.equal(answers.filter(({ status }) => status === 429).length, 20);
    await server.sql('delete from rate_limit');
  });

  it('of a disabled account sign nobody in', async () => {
    const person = await server.createPerson();
    const { authenticator } = await addPasskey(server, person);
    await server.sql('update user_account set disabled_at = now() where id = $1', [person.id]);
    const page = await openSignIn();
    assert.equal((await show(page, await authenticator.get(await optionsOf(page)))).response.status, 401);
  });

  it('are refused at enrolment from another origin, unverified, with a foreign or used challenge, or when already known', async () => {
    const [person, other] = [await server.createPerson(), await server.createPerson()];
    const { authenticator, person: browser } = await addPasskey(server, person);
    const { authenticator: theirs, person: elsewhere } = await addPasskey(server, other);
    const page = await openAccount(browser, '/account/factors/passkey', person);
    const fresh = () => options(browser, '/account/factors/passkey/options');
    const before = await stored();
    assert.deepEqual(
      ((await fresh())['excludeCredentials'] as { id: string }[]).map(({ id }) => id),
      [authenticator.id],
    );
    const foreign = await options(elsewhere, '/account/factors/passkey/options');
    const used = await fresh();
    const attempts: [string, () => Promise<string>][] = [
      ['origin', async () => theirs.create(await fresh(), { origin: 'https://evil.example' })],
      ['relying party', async () => theirs.create(await fresh(), { rpId: 'evil.example' })],
      ['unverified', async () => theirs.create(await fresh(), { verified: false })],
      ['of another session', async () => theirs.create(foreign)],
      ['first use', async () => authenticator.create(used)],
      ['second use', async () => authenticator.create(used)],
      ['of another account', async () => theirs.create(await fresh())],
    ];
    for (const [what, attempt] of attempts) {
      const refused = await page.submit({ credential: await attempt() });
      assert.equal(refused.response.status, 400, what);
      assert.deepEqual(await stored(), before, what);
    }
  });
});
