import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { authorizePath, obtainTokens, pkce, type TestClient } from '../support/flow.ts';
import { Person } from '../support/person.ts';

/** The directives of a policy, by name. */
function policy(response: Response): Record<string, string[]> {
  const header = String(response.headers.get('content-security-policy'));
  return Object.fromEntries(header.split(/; ?/).map((directive) => [directive.split(' ')[0], directive.split(' ').slice(1)]));
}

function assertPageHeaders(response: Response, what: string) {
  assert.match(String(response.headers.get('content-type')), /^text\/html/, what);
  const directives = policy(response);
  assert.deepEqual(directives['frame-ancestors'], ["'none'"], what);
  assert.deepEqual(directives['default-src'], ["'none'"], what);
  assert.deepEqual(directives['base-uri'], ["'none'"], what);
  assert(directives['script-src'], what);
  assert(directives['form-action']?.includes("'self'"), what);
  for (const unsafe of ["'unsafe-inline'", "'unsafe-eval'", '*', 'https:', 'http:'])
    assert(!Object.values(directives).flat().includes(unsafe), `${what}: ${unsafe}`);
  const expected = {
    'x-frame-options': 'DENY',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'cache-control': 'no-store',
    'x-powered-by': null,
    server: null,
  };
  for (const [name, value] of Object.entries(expected))
    assert.equal(
      response.headers.get(name)?.replace(/^no-cache, no-store$|^no-store, no-cache$/, 'no-store') ?? null,
      value,
      `${what}: ${name}`,
    );
  assert(response.headers.get('permissions-policy'), what);
}

describe('Headers of every page (RFC 9700 section 4.16)', () => {
  let server: TestServer;
  let client: TestClient;
  let person: { email: string; password: string };
  const { code_verifier: _, ...challenge } = pkce();
  before(async () => {
    server = await startTestServer();
    client = await server.createClient({ post_logout_redirect_uris: ['https://client.example/bye'] });
    person = await server.createPerson();
  });
  after(() => server.close());

  it('the home page and an unknown path', async () => {
    const browser = new Person(server.issuer);
    assertPageHeaders(await browser.request('/'), 'home');
    assertPageHeaders(await browser.request('/nowhere'), 'not found');
    assertPageHeaders(await browser.request('/%zz'), 'undecodable');
  });

  it('sign-in, a failed sign-in and consent', async () => {
    const signIn = await new Person(server.issuer).open(authorizePath(client, challenge));
    assertPageHeaders(signIn.response, 'sign-in');
    const failed = await signIn.submit({ email: person.email, password: 'wrong' });
    assert.equal(failed.response.status, 401);
    assertPageHeaders(failed.response, 'failed sign-in');
    const consent = await failed.submit({ email: person.email, password: person.password });
    assert.match(consent.html, /name="decision"/);
    assertPageHeaders(consent.response, 'consent');
  });

  it('errors: of the protocol, of an expired interaction, of a refused form, of another host', async () => {
    const browser = new Person(server.issuer);
    const bad = await browser.request(authorizePath(client, { redirect_uri: 'https://evil.example/' }));
    assert.equal(bad.status, 400);
    assertPageHeaders(bad, 'bad redirect_uri');
    assert.deepEqual(policy(bad)['form-action'], ["'self'"], 'nothing of an unchecked address');
    const unknown = await browser.request(authorizePath({ client_id: 'nobody', redirect_uri: 'https://evil.example/' }));
    assertPageHeaders(unknown, 'unknown client');
    const gone = await browser.request('/interaction/gone');
    assert.equal(gone.status, 400);
    assertPageHeaders(gone, 'interaction gone');
    const signIn = await browser.open(authorizePath(client, challenge));
    const forged = await browser.request(signIn.form().action, { method: 'POST', body: new URLSearchParams({ csrf: 'forged' }) });
    assert.equal(forged.status, 403);
    assertPageHeaders(forged, 'forged form');
  });

  it('the form that posts a response to a client: only its own script runs, and only the client receives it (form_post)', async () => {
    const { person: browser } = await obtainTokens(server, client, person);
    const page = await browser.open(authorizePath(client, { ...challenge, response_mode: 'form_post' }));
    assert.match(page.html, /<form[^>]*action="https:\/\/client\.example\/callback"/);
    assertPageHeaders(page.response, 'form_post');
    assert.deepEqual(policy(page.response)['form-action'], ["'self'", 'https://client.example']);
    assert.equal(policy(page.response)['script-src']?.filter((source) => source.startsWith("'sha256-")).length, 1);
    const failed = await browser.open(
      authorizePath(client, {
        ...challenge,
        response_mode: 'form_post',
        scope: 'openid',
        prompt: 'none',
        max_age: '0',
        id_token_hint: undefined,
      }),
    );
    assert.match(failed.html, /name="error"/);
    assertPageHeaders(failed.response, 'form_post error');
  });

  it('sign-out, its end, and its error', async () => {
    const { person: browser } = await obtainTokens(server, client, person);
    const returning = await browser.open(
      `/oauth/logout?${new URLSearchParams({ client_id: client.client_id, post_logout_redirect_uri: 'https://client.example/bye' })}`,
    );
    assertPageHeaders(returning.response, 'sign-out with a way back');
    assert.deepEqual(policy(returning.response)['form-action'], ["'self'", 'https://client.example']);
    const page = await browser.open('/oauth/logout');
    assertPageHeaders(page.response, 'sign-out');
    assert.deepEqual(policy(page.response)['form-action'], ["'self'"]);
    const done = await page.submit({ logout: 'yes' });
    assert.equal(done.response.status, 200);
    assertPageHeaders(done.response, 'signed out');
    const refused = await browser.open(
      `/oauth/logout?${new URLSearchParams({ client_id: client.client_id, post_logout_redirect_uri: 'https://evil.example/' })}`,
    );
    assertPageHeaders(refused.response, 'sign-out that is asked with an address that is not registered');
    assert.deepEqual(policy(refused.response)['form-action'], ["'self'"]);
  });

  it('sign-in and consent may redirect only to the validated address of the request', async () => {
    const signIn = await new Person(server.issuer).open(authorizePath(client, { ...challenge, prompt: 'consent' }));
    assert.deepEqual(policy(signIn.response)['form-action'], ["'self'", 'https://client.example']);
    const consent = await signIn.submit({ email: person.email, password: person.password });
    assert.deepEqual(policy(consent.response)['form-action'], ["'self'", 'https://client.example']);
    const native = await server.createClient({ application_type: 'native', redirect_uris: ['com.example.walk:/cb'] });
    const custom = await new Person(server.issuer).open(authorizePath(native, challenge));
    assert.deepEqual(policy(custom.response)['form-action'], ["'self'", 'com.example.walk:']);
  });

  it('a page has no script and no style except files', async () => {
    const signIn = await new Person(server.issuer).open(authorizePath(client, { ...challenge, prompt: 'consent' }));
    const consent = await signIn.submit({ email: person.email, password: person.password });
    for (const { html } of [signIn, consent])
      assert.doesNotMatch(
        html,
        /<script(?! (?:type="module" )?src="\/assets\/[\w.]+\?v=\w+"(?: defer)?><\/script>)|<style|\son\w+=|\sstyle=|javascript:/i,
      );
  });

  it('an https issuer declares it for two years', async () => {
    assert.equal((await fetch(server.issuer)).headers.get('strict-transport-security'), null);
    const { port } = server.config;
    const secure = await startTestServer({ issuer: `https://localhost:${port}` });
    try {
      const response = await fetch(`http://localhost:${secure.config.port}/livez`);
      assert.match(String(response.headers.get('strict-transport-security')), /^max-age=63072000/);
    } finally {
      await secure.close();
    }
  });
});
