import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { REDIRECT_URI, startTestServer, type TestServer } from '../support/environment.ts';
import { approve, authorizePath, pkce, post, type TestClient } from '../support/flow.ts';
import { Person } from '../support/person.ts';
import { assertRefused, assertSentBack, leadsTo } from '../support/refusals.ts';
import { unchanged } from '../support/storage.ts';

describe('Authorization request (RFC 6749 section 4.1.1)', () => {
  let server: TestServer;
  let client: TestClient;
  const { code_verifier: _, ...challenge } = pkce();
  before(async () => {
    server = await startTestServer();
    client = await server.createClient();
  });
  after(() => server.close());

  const ask = (parameters: Record<string, string | string[] | undefined>) =>
    new Person(server.issuer).request(authorizePath(client, { ...challenge, ...parameters }));

  for (const response_type of ['token', 'id_token', 'code token', 'code id_token', 'id_token token', 'code id_token token', 'none']) {
    it(`refuses response_type ${response_type} (RFC 9700 section 2.1.2)`, async () => {
      const response = await unchanged(server, () => ask({ response_type, nonce: 'n' }));
      // An error uses the fragment if the success would (OAuth 2.0 Multiple Response Types section 5).
      const location = new URL(await leadsTo(response));
      assert.equal(location.origin + location.pathname, REDIRECT_URI);
      const answer = new URLSearchParams(location.search.slice(1) || location.hash.slice(1));
      assert.equal(answer.get('error'), 'unsupported_response_type');
      for (const credential of ['code', 'access_token', 'id_token']) assert.equal(answer.get(credential), null);
    });
  }

  it('is refused without response_type', async () => {
    await assertSentBack(await unchanged(server, () => ask({ response_type: undefined })), REDIRECT_URI, 'invalid_request');
  });

  it('cannot be replaced by the password grant (RFC 9700 section 2.4)', async () => {
    const person = await server.createPerson();
    await unchanged(server, async () => {
      const response = await post(server, '/oauth/token', client, {
        grant_type: 'password',
        username: person.email,
        password: person.password,
      });
      await assertRefused(response, 400, 'unsupported_grant_type');
    });
  });

  it('gets an error with the issuer and the state (RFC 9207 section 2)', async () => {
    const answer = await assertSentBack(await ask({ response_type: undefined, state: 'a b&c' }), REDIRECT_URI, 'invalid_request');
    assert.equal(answer.get('iss'), server.issuer);
    assert.equal(answer.get('state'), 'a b&c');
  });

  it('gets a success with the issuer and the state (RFC 9207 section 2)', async () => {
    const person = await server.createPerson();
    const answer = await approve(server, new Person(server.issuer), person, authorizePath(client, { ...challenge, state: 'a b&c' }));
    assert.equal(answer.get('iss'), server.issuer);
    assert.equal(answer.get('state'), 'a b&c');
    assert.deepEqual([...answer.keys()].sort(), ['code', 'iss', 'state']);
  });

  it('gets access_denied with the issuer when the user denies', async () => {
    const person = await server.createPerson();
    const browser = new Person(server.issuer);
    const signIn = await browser.open(authorizePath(client, { ...challenge, state: 'x' }));
    const consent = await signIn.submit({ email: person.email, password: person.password });
    const { searchParams: answer } = (await consent.submit({ decision: 'deny' })).url;
    assert.equal(answer.get('error'), 'access_denied');
    assert.equal(answer.get('iss'), server.issuer);
    assert.equal(answer.get('state'), 'x');
    assert.equal(answer.get('code'), null);
  });

  for (const name of ['state', 'scope', 'response_type', 'code_challenge', 'code_challenge_method', 'nonce', 'prompt']) {
    it(`is refused with ${name} given twice (RFC 6749 section 3.1)`, async () => {
      const once: Record<string, string> = {
        state: 's',
        scope: 'openid',
        response_type: 'code',
        nonce: 'n',
        prompt: 'login',
        ...challenge,
      };
      const response = await unchanged(server, () => ask({ [name]: [String(once[name]), String(once[name])] }));
      await assertSentBack(response, REDIRECT_URI, 'invalid_request');
    });
  }

  it('may have an unknown parameter, which is ignored (RFC 6749 section 3.1)', async () => {
    const response = await ask({ made_up: 'x', another: ['1', '2'], __proto__x: 'y' });
    assert.equal(response.status, 303);
    assert.match(String(response.headers.get('location')), /\/interaction\//);
  });

  it('is refused without a page for prompt=none without a session (OIDC Core section 3.1.2.6)', async () => {
    await assertSentBack(await ask({ prompt: 'none' }), REDIRECT_URI, 'login_required');
  });

  it('is refused as a request object', async () => {
    const response = await unchanged(server, () => ask({ request: 'e30.e30.' }));
    await assertSentBack(response, REDIRECT_URI, 'request_not_supported');
  });
});

describe('Redirects of an authorization (RFC 9700 sections 4.2.4 and 4.12)', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  it('are 303, never cached, and without a Referer', async () => {
    const client = await server.createClient();
    const person = await server.createPerson();
    const browser = new Person(server.issuer);
    const { code_verifier: _, ...challenge } = pkce();

    const started = await browser.request(authorizePath(client, challenge));
    const signIn = await browser.open(String(started.headers.get('location')));
    const post = (page: typeof signIn, fields: Record<string, string>) =>
      browser.request(page.form().action, { method: 'POST', body: new URLSearchParams({ ...page.form().hidden, ...fields }) });
    const signedIn = await post(signIn, { email: person.email, password: person.password });
    const resumed = await browser.request(String(signedIn.headers.get('location')));
    const consent = await browser.open(String(resumed.headers.get('location')));
    const decided = await post(consent, { decision: 'approve' });
    const answered = await browser.request(String(decided.headers.get('location')));
    assert.match(String(answered.headers.get('location')), /^https:\/\/client\.example\/callback\?code=/);

    for (const response of [started, signedIn, resumed, decided, answered]) {
      assert.equal(response.status, 303);
      assert.match(String(response.headers.get('cache-control')), /no-store/, String(response.headers.get('location')));
      assert.equal(response.headers.get('referrer-policy'), 'no-referrer');
    }
    for (const { response } of [signIn, consent]) {
      assert.equal(response.headers.get('cache-control'), 'no-store');
      assert.equal(response.headers.get('referrer-policy'), 'no-referrer');
    }
  });
});
