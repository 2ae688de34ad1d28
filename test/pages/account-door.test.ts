import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ageSignIns, openAccount, signInIfAsked } from '../support/account.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { authorizePath, obtainCode, pkce, post, type TestClient } from '../support/flow.ts';
import { Person } from '../support/person.ts';
import { countRows, unchanged } from '../support/storage.ts';

describe('The door to our own pages', () => {
  let server: TestServer;
  let client: TestClient;
  before(async () => {
    server = await startTestServer();
    client = await server.createClient();
  });
  after(() => server.close());

  const callback = (parameters: Record<string, string> = {}) => `/account/signed-in?${new URLSearchParams(parameters)}`;

  it('leads a stranger to sign in, and then to the page that was asked for, with no consent in between', async () => {
    const person = await server.createPerson();
    const browser = new Person(server.issuer);
    const asked = await browser.open('/account/activity');
    assert.match(asked.url.pathname, /^\/interaction\//);
    assert.match(asked.html, /<h1>Sign in<\/h1>/);
    const page = await asked.submit(person);
    assert.equal(page.response.status, 200);
    assert.equal(page.url.pathname, '/account/activity');
    assert.equal(page.response.headers.get('cache-control'), 'no-store');
    assert.equal((await browser.open('/account')).url.pathname, '/account', 'and it stays open');
  });

  it('is open to who is signed in for an app already', async () => {
    const person = await server.createPerson();
    const { person: browser } = await obtainCode(server, client, person);
    const response = await browser.request('/account');
    assert.equal(response.status, 200);
    assert((await response.text()).includes(person.email));
  });

  it('asks for a sign-in of a moment ago before there is something to change, and comes back', async () => {
    const person = await server.createPerson();
    const { person: browser } = await openAccount(server, person);
    assert.equal((await browser.request('/account/profile')).status, 200);
    await ageSignIns(server, 301);
    assert.equal((await browser.request('/account')).status, 200, 'to look needs no such thing');
    const asked = await browser.open('/account/profile');
    assert.match(asked.html, /name="password"/);
    const again = await asked.submit(person);
    assert.equal(again.url.pathname, '/account/profile');
    assert.equal(await countRows(server, 'session where account_id = $1', [person.id]), 1);
  });

  it('asks the authorization endpoint for more than it wants itself, so that two clocks that differ do not send a browser to and fro', async () => {
    const { person: browser } = await openAccount(server, await server.createPerson());
    await ageSignIns(server, 301);
    const sent = await browser.request('/account/profile');
    assert.equal(new URL(String(sent.headers.get('location')), server.issuer).searchParams.get('max_age'), '240');
  });

  it('leads from a form that came too late to its page, which says that nothing was changed', async () => {
    const person = await server.createPerson();
    const page = await openAccount(server, person, '/account/sessions');
    await ageSignIns(server, 301);
    const asked = await page.person.open('/account/sessions', { method: 'POST', body: new URLSearchParams({ others: 'yes' }) });
    assert.match(asked.html, /name="password"/);
    const back = await asked.submit(person);
    assert.equal(back.url.pathname + back.url.search, '/account/sessions?again');
    assert.match(back.html, /Nothing was changed yet/);
  });

  it('comes back to pages of ours alone (OWASP unvalidated redirects)', async () => {
    for (const state of [
      '//evil.example',
      '/\\evil.example',
      'https://evil.example/account',
      'javascript:alert(1)',
      '/account//evil.example',
      '/account/../oauth/logout',
      '/account?next=//evil.example',
      '/account/%2f%2fevil.example',
      '/accountant',
      '/account/profile\r\nSet-Cookie: a=b',
      '/account/profile#x',
      '',
    ]) {
      const { status, headers } = await new Person(server.issuer).request(callback({ code: 'x', state }));
      assert.equal(status, 303, state);
      assert.equal(headers.get('location'), '/account', state);
    }
    const twice = await new Person(server.issuer).request('/account/signed-in?state=/account/profile&state=/account/apps');
    assert.equal(twice.headers.get('location'), '/account');
    for (const state of ['/account', '/account/apps', '/developer/clients', '/admin', '/account/sessions?again'])
      assert.equal((await new Person(server.issuer).request(callback({ state }))).headers.get('location'), state);
  });

  it("does nothing with a code that is brought to it, another client's or somebody else's: whoever is in front of it stays who they are", async () => {
    const [attacker, victim] = [await server.createPerson(), await server.createPerson()];
    const { code } = await obtainCode(server, client, attacker);
    const { person: browser } = await openAccount(server, victim);
    const page = await unchanged(server, () => browser.open(callback({ code, state: '/account', iss: server.issuer })));
    assert(page.html.includes(victim.email));
    const stranger = await new Person(server.issuer).open(callback({ code, state: '/account' }));
    assert.match(stranger.html, /name="password"/);
  });

  it('leaves nobody a code to redeem: who asked has forgotten the verifier (RFC 7636)', async () => {
    const browser = new Person(server.issuer);
    const asked = await browser.request('/account');
    const sent = String(asked.headers.get('location'));
    const answer = await signInStepwise(browser, sent, await server.createPerson());
    const code = String(answer.searchParams.get('code'));
    const own = { client_id: 'munjigi-account', redirect_uri: `${server.issuer}/account/signed-in` };
    const tried = await post(server, '/oauth/token', own, {
      grant_type: 'authorization_code',
      code,
      redirect_uri: own.redirect_uri,
      code_verifier: pkce().code_verifier,
    });
    assert.equal(tried.status, 400);
    assert.equal(((await tried.json()) as { error: string }).error, 'invalid_grant');
  });

  it('shows a page when it is told of an error, and repeats nothing of it', async () => {
    for (const error of ['access_denied', '<script>alert(1)</script>', 'x'.repeat(3_000)]) {
      const page = await unchanged(server, () => new Person(server.issuer).open(callback({ error, error_description: '<b>evil</b>' })));
      assert.equal(page.response.status, 400);
      assert.match(page.html, /<h1>Access was denied<\/h1>/);
      // The switch of language repeats the address, as an address.
      assert.doesNotMatch(String(/<main[\s\S]*<\/main>/.exec(page.html)), /<script|evil|x{20}/);
      assert.doesNotMatch(page.html, /<script|<b>evil/);
      assert(!server.logLines().some((line) => line.includes('<script>') || line.includes('xxxx')));
    }
  });

  it('keeps a browser without cookies out, with a page that says so and without a loop', async () => {
    let at = '/account';
    for (let hop = 0; hop < 3; hop++) {
      const response = await fetch(new URL(at, server.issuer), { redirect: 'manual', headers: { accept: 'text/html' } });
      const next = response.headers.get('location');
      if (!next) {
        assert.equal(response.status, 400);
        assert.match(await response.text(), /This page is no longer valid/);
        return;
      }
      at = next;
    }
    assert.fail('it goes on and on');
  });

  it('can be gone through in two tabs at once', async () => {
    const person = await server.createPerson();
    const browser = new Person(server.issuer);
    const [one, two] = [await browser.open('/account/profile'), await browser.open('/account/apps')];
    assert.equal((await one.submit(person)).url.pathname, '/account/profile');
    assert.equal((await signInIfAsked(await two.submit(person), person)).url.pathname, '/account/apps');
    assert.equal(await countRows(server, 'session where account_id = $1', [person.id]), 1);
  });

  it('is closed to an account that was disabled, even where its session was left', async () => {
    const person = await server.createPerson();
    const { person: browser } = await openAccount(server, person);
    await server.sql('update user_account set disabled_at = now() where id = $1', [person.id]);
    const asked = await browser.open('/account');
    assert.match(asked.html, /name="password"/);
    assert(!asked.html.includes(person.email));
    assert.equal((await asked.submit(person)).response.status, 401);
  });

  it('shows the one who signed in last, when another did in between', async () => {
    const [one, two] = [await server.createPerson(), await server.createPerson()];
    const { person: browser } = await openAccount(server, one);
    const path = authorizePath(client, { ...pkce(), code_verifier: undefined, prompt: 'login' });
    const consent = await (await browser.open(path)).submit(two);
    assert(consent.html.includes(two.email));
    const page = await browser.open('/account');
    assert(page.html.includes(two.email) && !page.html.includes(one.email));
  });

  it('is found by who looks for where a password is changed', async () => {
    const response = await new Person(server.issuer).request('/.well-known/change-password');
    assert.equal(response.headers.get('location'), '/account/password');
  });

  /** Signs in and stops at the callback. @returns its address. */
  async function signInStepwise(browser: Person, path: string, person: { email: string; password: string }): Promise<URL> {
    const page = await browser.open(path);
    const { action, hidden } = page.form();
    let response = await browser.request(action, {
      method: 'POST',
      body: new URLSearchParams({ ...hidden, email: person.email, password: person.password }),
    });
    for (let hop = 0; hop < 5; hop++) {
      const next = new URL(String(response.headers.get('location')), server.issuer);
      if (next.pathname === '/account/signed-in') return next;
      response = await browser.request(next.href);
    }
    throw new Error('never came back');
  }
});
