import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { decodeJwt } from 'jose';
import { CALLBACK_PATH, FIRST_PARTY_CLIENT } from '../../src/oauth/clients/first-party.ts';
import { runCommand } from '../support/command.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { authorizePath, obtainTokens, pkce, redeem, type TestClient } from '../support/flow.ts';
import { type Page, Person } from '../support/person.ts';
import { countRows, unchanged } from '../support/storage.ts';

describe('prompt, max_age and hints (OpenID Connect Core section 3.1.2.1)', () => {
  let server: TestServer;
  let client: TestClient;
  before(async () => {
    server = await startTestServer();
    client = await server.createClient();
  });
  after(() => server.close());

  type Parameters = Record<string, string>;
  const { code_verifier, ...challenge } = pkce();
  const open = (browser: Person, parameters: Parameters = {}, asking = client) =>
    browser.open(authorizePath(asking, { ...challenge, ...parameters }));
  const asksWho = (page: Page) => page.html.includes('name="password"');
  const asksWhich = (page: Page) => page.html.includes('name="account"');
  const asksLeave = (page: Page) => page.html.includes('name="decision"');
  const error = (page: Page) => page.url.searchParams.get('error');

  /** A user who is signed in and has allowed the client. */
  async function known() {
    const person = await server.createPerson();
    const { id_token, person: browser } = await obtainTokens(server, client, person);
    return { person, browser, id_token: String(id_token) };
  }

  async function idToken(page: Page): Promise<Record<string, unknown>> {
    const code = page.url.searchParams.get('code');
    assert(code, `no code but ${page.url} ${page.html.slice(0, 500)}`);
    const answer = await redeem(server, client, { code, code_verifier, redirect_uri: client.redirect_uri });
    return decodeJwt(((await answer.json()) as { id_token: string }).id_token);
  }

  describe('none', () => {
    it('answers login_required, consent_required or a code, without a page', async () => {
      const { person, browser } = await known();
      await unchanged(server, async () => assert.equal(error(await open(new Person(server.issuer), { prompt: 'none' })), 'login_required'));
      assert.equal(error(await open(browser, { prompt: 'none', scope: 'openid api' })), 'consent_required');
      assert.equal((await idToken(await open(browser, { prompt: 'none' })))['sub'], person.id);
    });

    it('is refused beside any other value; an unknown value is refused too', async () => {
      const { browser } = await known();
      for (const prompt of ['none login', 'none consent', 'none select_account', 'none create', 'register', 'NONE'])
        await unchanged(server, async () => assert.equal(error(await open(browser, { prompt })), 'invalid_request', prompt));
    });

    it('is login_required for another user than in id_token_hint, or for an old sign-in', async () => {
      const [one, other] = [await known(), await known()];
      assert.equal(error(await open(one.browser, { prompt: 'none', id_token_hint: other.id_token })), 'login_required');
      assert.equal((await idToken(await open(one.browser, { prompt: 'none', id_token_hint: one.id_token })))['sub'], one.person.id);
      await server.sql(`update session set payload = jsonb_set(payload, '{loginTs}', '1000') where account_id = $1`, [one.person.id]);
      assert.equal(error(await open(one.browser, { prompt: 'none', max_age: '60' })), 'login_required');
      await server.sql('update user_account set disabled_at = now() where id = $1', [one.person.id]);
      assert.equal(error(await open(one.browser, { prompt: 'none' })), 'login_required', 'an account that was closed');
    });
  });

  describe('login', () => {
    it('asks a signed-in user to sign in, and the ID token has the time (auth_time)', async () => {
      const { person, browser } = await known();
      await server.sql(`update session set payload = jsonb_set(payload, '{loginTs}', '1000') where account_id = $1`, [person.id]);
      for (const parameters of [{ prompt: 'login' }, { max_age: '0' }] as Parameters[]) {
        const page = await open(browser, parameters);
        assert(asksWho(page));
        assert(Number((await idToken(await page.submit(person)))['auth_time']) > 1000);
      }
    });

    it('replaces the session: the next user has the only one, and the earlier one ends', async () => {
      const [one, other] = [await known(), await known()];
      const session = () => one.browser.cookies().find((pair) => pair.startsWith('session='));
      const before = session();
      const page = await (await open(one.browser, { prompt: 'login' })).submit(other.person);
      assert.equal((await idToken(page))['sub'], other.person.id);
      assert.notEqual(session(), before);
      assert.equal(await countRows(server, 'session where account_id = $1', [one.person.id]), 0);
      assert.equal(await countRows(server, 'grant_record where account_id = $1', [one.person.id]), 1, 'what they allowed stays');
    });
  });

  describe('consent', () => {
    it('asks for consent again, after a sign-in if that is requested too', async () => {
      const { person, browser } = await known();
      assert(asksLeave(await open(browser, { prompt: 'consent' })));
      const page = await open(browser, { prompt: 'consent login' });
      assert(asksWho(page));
      const consent = await page.submit(person);
      assert(asksLeave(consent));
      assert.equal((await idToken(await consent.submit({ decision: 'approve' })))['sub'], person.id);
    });
  });

  describe('select_account', () => {
    it('asks for the account to use, and continues with the signed-in one', async () => {
      const { person, browser } = await known();
      const page = await open(browser, { prompt: 'select_account' });
      assert(asksWhich(page));
      assert.match(page.html, new RegExp(person.email));
      const claims = await idToken(await page.submit({ account: 'same' }));
      assert.equal(claims['sub'], person.id);
    });

    it('continues with another user, who signs in; until then nobody is signed out', async () => {
      const [one, other] = [await known(), await known()];
      const page = await (await open(one.browser, { prompt: 'select_account', login_hint: other.person.email })).submit({
        account: 'another',
      });
      assert(asksWho(page));
      assert.match(page.html, new RegExp(`value="${other.person.email}"`));
      assert.equal((await idToken(await open(one.browser)))['sub'], one.person.id, 'meanwhile, in another tab');
      assert.equal((await idToken(await page.submit(other.person)))['sub'], other.person.id);
    });

    it('is satisfied by a sign-in that is needed anyway', async () => {
      const { person, browser } = await known();
      for (const [who, prompt] of [
        [new Person(server.issuer), 'select_account'],
        [browser, 'login select_account'],
      ] as const) {
        const page = await open(who, { prompt });
        assert(asksWho(page));
        assert.equal((await idToken(await page.submit(person)))['sub'], person.id);
      }
    });

    it('is asked before consent', async () => {
      const { browser } = await known();
      const page = await open(browser, { prompt: 'consent select_account' });
      assert(asksWhich(page));
      assert(asksLeave(await page.submit({ account: 'same' })));
    });
  });

  describe('id_token_hint and login_hint', () => {
    it('ask for the expected user, and the client learns if another one signs in', async () => {
      const [one, other] = [await known(), await known()];
      const page = await open(one.browser, { id_token_hint: other.id_token });
      assert(asksWho(page));
      assert.equal((await idToken(await page.submit(other.person)))['sub'], other.person.id);
      const wrong = await (await open(new Person(server.issuer), { id_token_hint: other.id_token })).submit(one.person);
      assert.equal(error(wrong), 'login_required');
      assert.equal(wrong.url.searchParams.get('code'), null);
    });

    it('are refused if the hint is no ID token of this server', async () => {
      const { browser, id_token } = await known();
      for (const hint of ['x', id_token.slice(0, -8), `${id_token.split('.').slice(0, 2).join('.')}.`])
        assert.equal(error(await open(browser, { id_token_hint: hint })), 'invalid_request');
    });

    it('are login_required with such a hint if no page is allowed: its key may have been rotated since', async () => {
      const { browser, id_token } = await known();
      for (const hint of ['x', id_token.slice(0, -8), `${id_token.split('.').slice(0, 2).join('.')}.`]) {
        const answer = await open(browser, { id_token_hint: hint, prompt: 'none' });
        assert.equal(error(answer), 'login_required');
        assert.equal(answer.url.searchParams.get('code'), null);
      }
      assert((await open(browser, { id_token_hint: id_token, prompt: 'none' })).url.searchParams.get('code'), 'still signed in');
    });
  });

  describe('a native client', () => {
    it('asks for consent each time, by loopback or own scheme, unless an operator verified it (RFC 8252 section 8.6)', async () => {
      for (const [redirect_uri, more] of [
        ['http://127.0.0.1/callback', { token_endpoint_auth_method: 'none' }],
        ['com.example.app:/callback', {}],
      ] as const) {
        const app = await server.createClient({ redirect_uris: [redirect_uri], application_type: 'native', ...more });
        const browser = new Person(server.issuer);
        const first = await (await open(browser, {}, app)).submit(await server.createPerson());
        assert(first.html.includes('An app on this device'));
        assert((await first.submit({ decision: 'approve' })).url.searchParams.get('code'));
        assert(asksLeave(await open(browser, {}, app)), redirect_uri);
        assert.equal(error(await open(browser, { prompt: 'none' }, app)), 'interaction_required');

        assert.equal(runCommand(server, 'clients', 'verify', app.client_id, '--publisher', 'Moon Inc.', '--yes').status, 0);
        await eventually('it is not asked about', async () => (await open(browser, {}, app)).url.searchParams.get('code') !== null);
        assert(asksLeave(await open(browser, { prompt: 'consent' }, app)));
      }
    });

    it('does not ask again with a web address of its own (RFC 8252 section 7.2), nor does a client with a secret in development', async () => {
      for (const [redirect_uri, application_type, said] of [
        ['https://app.example/callback', 'native', undefined],
        ['https://localhost/callback', 'web', undefined],
        ['http://localhost:3000/callback', 'web', 'This is a development address'],
      ] as const) {
        const app = await server.createClient({ redirect_uris: [redirect_uri], application_type });
        const browser = new Person(server.issuer);
        const first = await (await open(browser, {}, app)).submit(await server.createPerson());
        assert(!first.html.includes('An app on this device'), redirect_uri);
        assert.equal(first.html.includes('This is a development address'), said !== undefined, redirect_uri);
        assert((await first.submit({ decision: 'approve' })).url.searchParams.get('code'));
        assert((await open(browser, {}, app)).url.searchParams.get('code'));
        assert((await open(browser, { prompt: 'none' }, app)).url.searchParams.get('code'), redirect_uri);
      }
    });

    it('asks again without a secret, even if it registered as a web client', async () => {
      const metadata = { redirect_uris: ['http://localhost:5173/callback'], token_endpoint_auth_method: 'none' };
      const app = await server.createClient(metadata);
      const browser = new Person(server.issuer);
      await (await (await open(browser, {}, app)).submit(await server.createPerson())).submit({ decision: 'approve' });
      assert(asksLeave(await open(browser, {}, app)));
      assert.equal(error(await open(browser, { prompt: 'none' }, app)), 'interaction_required');
    });
  });

  it("is never one of this server's own pages: they ask for no consent, with any parameters", async () => {
    const own = { client_id: FIRST_PARTY_CLIENT, redirect_uri: server.issuer + CALLBACK_PATH };
    const person = await server.createPerson();
    const browser = new Person(server.issuer);
    await (await open(browser)).submit(person);
    for (const parameters of [{ scope: 'openid' }, { scope: 'openid', prompt: 'consent' }, { scope: 'openid email api' }] as Parameters[]) {
      const answer = await browser.request(authorizePath(own, { ...challenge, ...parameters }));
      assert.match(String(answer.headers.get('location')), /\/account\/signed-in\?code=/, JSON.stringify(parameters));
    }
    const [grant, ...more] = await server.sql('select payload from grant_record where account_id = $1', [person.id]);
    assert.deepEqual(more, []);
    assert.deepEqual((grant as { payload: { openid: object } }).payload.openid, { scope: 'openid' });
    assert.equal(await countRows(server, `audit_event where account_id = $1 and type = 'consent_given'`, [person.id]), 0);
  });
});
