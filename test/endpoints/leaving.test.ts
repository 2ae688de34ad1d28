import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { verifyClient } from '../../src/oauth/clients/store.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { authorizePath, type Credentials, obtainTokens, pkce, post, type TestClient } from '../support/flow.ts';
import { navigate } from '../support/navigate.ts';
import { Person, wayBackOn } from '../support/person.ts';
import { register } from '../support/registration.ts';
import { unchanged } from '../support/storage.ts';

const { code_verifier: _, ...challenge } = pkce();

/** Requests that end with an error for the client. */
const ERRORS: Record<string, Record<string, string | undefined>> = {
  unsupported_response_type: { response_type: 'token' },
  invalid_scope: { scope: 'nosuch' },
  invalid_request: { ...challenge, code_challenge_method: 'plain' },
  request_not_supported: { request: 'x' },
  invalid_target: { resource: 'https://nosuch.example' },
};

describe('An authorization error for an unverified client (RFC 9700 section 4.11.2)', () => {
  let server: TestServer;
  let client: TestClient;
  let user: Credentials & { id: string };
  before(async () => {
    server = await startTestServer();
    client = await server.createClient({ client_name: 'Moonlight' });
    user = await server.createPerson();
  });
  after(() => server.close());

  const ask = (parameters: Record<string, string | string[] | undefined>, of = client, browser = new Person(server.issuer), headers = {}) =>
    browser.request(authorizePath(of, { ...challenge, ...parameters }), { headers });
  const staying = () => Object.assign(new Person(server.issuer), { goesOn: false });
  const atHome = (response: Response, html: string) => {
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('location'), null);
    assert.doesNotMatch(html, /<script|http-equiv/i);
  };

  it('is first shown on a page of this server, with a link, for every user and response mode', async () => {
    const dynamic = await register(server, { redirect_uris: ['https://phish.example/login'], client_name: '"><script>' });
    for (const [error, parameters] of Object.entries(ERRORS))
      for (const headers of [{}, { accept: '*/*' }, { accept: 'application/json' }])
        for (const response_mode of [undefined, 'fragment', 'query']) {
          const response = await unchanged(server, () => ask({ ...parameters, response_mode }, dynamic, staying(), headers));
          const html = await response.text();
          atHome(response, html);
          const back = new URL(wayBackOn(html) ?? 'about:nowhere');
          assert.equal(back.origin + back.pathname, 'https://phish.example/login', html);
          const answer = new URLSearchParams(back.search.slice(1) || back.hash.slice(1));
          assert.deepEqual([answer.get('error'), answer.get('state'), answer.get('iss')], [error, 's', server.issuer]);
          assert.match(html, /Nobody has verified this app[\s\S]*<code>phish\.example<\/code>/);
        }
  });

  it('stops a browser that declares a navigation: nothing continues by itself', async () => {
    for (const parameters of Object.values(ERRORS)) {
      const { status, headers, html } = await navigate(server, authorizePath(client, { ...challenge, ...(parameters as object) }));
      assert.deepEqual([status, headers.location, headers['refresh']], [200, undefined, undefined]);
      assert(wayBackOn(html));
      assert.doesNotMatch(html, /<script|http-equiv/i);
    }
  });

  it("continues by itself for a program that follows a user's way and does not declare a navigation", async () => {
    const program = Object.assign(new Person(server.issuer), { goesOn: false });
    const response = await program.request(authorizePath(client, { ...challenge, ...ERRORS['invalid_scope'] }));
    const html = await response.text();
    assert.deepEqual([response.status, response.headers.get('location')], [200, null]);
    assert.equal(response.headers.get('refresh'), `0; url=${wayBackOn(html)}`);
    assert.match(html, /Nobody has verified this app/);
  });

  it('uses a form without the script that sends it', async () => {
    for (const [error, parameters] of Object.entries(ERRORS)) {
      const page = await staying().open(authorizePath(client, { ...challenge, ...parameters, response_mode: 'form_post' }));
      atHome(page.response, page.html);
      const { action, hidden } = page.form();
      assert.deepEqual([action, hidden['error'], hidden['state'], hidden['iss']], [client.redirect_uri, error, 's', server.issuer]);
      assert.match(page.html, /<button[^>]*type="submit">Go back to/);
      assert.match(String(page.response.headers.get('content-security-policy')), /form-action 'self' https:\/\/client\.example/);
    }
  });

  it('is shown for a pushed request too', async () => {
    const pushed = await post(server, '/oauth/par', client, {
      response_type: 'code',
      redirect_uri: client.redirect_uri,
      client_id: client.client_id,
      ...challenge,
      prompt: 'create',
      scope: 'openid',
    });
    const { request_uri } = (await pushed.json()) as { request_uri: string };
    const response = await new Person(server.issuer).request(
      `/oauth/authorize?${new URLSearchParams({ client_id: client.client_id, request_uri, scope: 'nosuch' })}`,
    );
    assert.equal(response.headers.get('location')?.startsWith(client.redirect_uri) ?? false, false);
  });

  it('is shown after a denial, which allowed nothing, in the requested language', async () => {
    const signIn = await staying().open(authorizePath(client, challenge));
    const denied = await (await signIn.submit(user)).submit({ decision: 'deny' });
    assert.equal(denied.url.searchParams.get('error'), 'access_denied');
    assert.deepEqual(await server.sql('select id from grant_record where account_id = $1', [user.id]), []);
    const korean = await navigate(server, authorizePath(client, { ...challenge, scope: 'nosuch', ui_locales: 'ko' }));
    assert.match(korean.html, /<html lang="ko">[\s\S]*확인되지 않은 앱이에요/);
  });

  it('is sent directly with prompt=none only', async () => {
    for (const parameters of [{}, ERRORS['invalid_scope']]) {
      const location = new URL(String((await ask({ ...parameters, prompt: 'none' })).headers.get('location')));
      assert.equal(location.origin + location.pathname, client.redirect_uri);
    }
    for (const prompt of ['login', 'none login', 'None', ['none', 'none']]) {
      const response = await ask({ scope: 'nosuch', prompt });
      assert.equal(response.headers.get('location'), null, String(prompt));
    }
  });

  it('is sent directly to a verified client, and to one that this user has allowed before', async () => {
    const verified = await server.createClient({ redirect_uris: [client.redirect_uri] });
    await server.database.change(verifyClient(verified.client_id, 'Moonlight Inc.'));
    await eventually('the node knows', async () => (await ask({ scope: 'nosuch' }, verified)).status === 303);
    const own = await server.createClient();
    const { person: browser } = await obtainTokens(server, own, user);
    for (const [error, parameters] of Object.entries(ERRORS)) {
      for (const response of [await ask(parameters, verified), await ask(parameters, own, browser)])
        assert.match(String(response.headers.get('location')), new RegExp(`^https://client\\.example/callback[?#].*error=${error}`));
      for (const other of [await ask(parameters, own), await ask(parameters, client, browser)])
        assert.equal(other.headers.get('location'), null);
    }
    const form = await browser.request(authorizePath(own, { ...challenge, scope: 'nosuch', response_mode: 'form_post' }));
    assert.match(await form.text(), /<script>/);
    await server.sql('delete from grant_record where client_id = $1', [own.client_id]);
    assert.equal((await ask({ scope: 'nosuch' }, own, browser)).headers.get('location'), null, 'what was taken back counts no more');
  });

  it('is sent directly to a page of this server', async () => {
    const { searchParams } = new URL((await new Person(server.issuer).request('/account')).headers.get('location') ?? '', server.issuer);
    searchParams.set('scope', 'nosuch');
    const failed = await new Person(server.issuer).request(`/oauth/authorize?${searchParams}`);
    assert.match(String(failed.headers.get('location')), new RegExp(`^${server.issuer}/account/signed-in\\?error=invalid_scope`));
  });

  it('is never sent to an unregistered address', async () => {
    for (const [, parameters] of Object.entries(ERRORS)) {
      const response = await ask({ ...parameters, redirect_uri: 'https://evil.example/' });
      assert.deepEqual([response.status, response.headers.get('location')], [400, null]);
      assert.doesNotMatch(await response.text(), /"https:\/\/evil/);
    }
  });
});
