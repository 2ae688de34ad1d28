import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { endIdentity } from '../../src/features/federation/identities.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { callApi, clientCredentials, obtainTokens, type TestClient } from '../support/flow.ts';
import { age, createReaching, createServiceClient, link, type Reaching, refreshes } from '../support/linked.ts';
import { Person } from '../support/person.ts';
import { addProvider, startUpstream, type TestUpstream } from '../support/upstream.ts';

const ORIGIN = 'http://app.localhost:4000';

describe("A first-party web app that reaches providers with the browser's session", () => {
  let server: TestServer;
  let upstream: TestUpstream;
  let client: TestClient;
  let reaching: Reaching;
  before(async () => {
    [server, upstream] = await Promise.all([startTestServer(), startUpstream()]);
    await addProvider(server, upstream, { services: ['notes.read', 'notes.write'] });
    client = await createServiceClient(server, { origins: [ORIGIN] });
  });
  beforeEach(async () => {
    upstream.wishes = {};
    upstream.asked = [];
    reaching = await createReaching(server, upstream, { client });
  });
  after(async () => {
    await Promise.all([server.close(), upstream.close()]);
  });

  type Options = { browser?: Person; provider?: string; origin?: string | undefined; type?: string; raw?: string };

  /** As a page at ORIGIN does with `fetch(…, { credentials: 'include' })`. */
  const ask = async (body: object = {}, { browser = reaching.browser, provider = 'far', type, raw, ...more }: Options = {}) => {
    const origin = 'origin' in more ? more.origin : ORIGIN;
    const response = await browser.request(`/services/${provider}/token`, {
      method: 'POST',
      body: raw ?? JSON.stringify({ client_id: client.client_id, ...body }),
      headers: { accept: '*/*', 'content-type': type ?? 'application/json', ...(origin ? { origin } : {}) },
    });
    const text = await response.text();
    return { response, status: response.status, text, body: text.startsWith('{') ? JSON.parse(text) : undefined };
  };
  const list = (browser: Person, clientId: string, origin = ORIGIN) =>
    browser.request(`/services?client_id=${clientId}`, { headers: { accept: '*/*', origin } });
  const reached = async () =>
    (await server.sql(`select detail from audit_event where type = 'service_reached' and account_id = $1`, [reaching.person.id])).length;

  it('gets the token that the user allowed it, readable by its page only', async () => {
    const { response, status, body } = await ask();
    assert.equal(status, 200, JSON.stringify(body));
    assert.ok(upstream.isAlive(body.access_token));
    assert.deepEqual([body.token_type, body.scope], ['Bearer', 'openid notes.read']);
    assert.equal(response.headers.get('access-control-allow-origin'), ORIGIN);
    assert.equal(response.headers.get('access-control-allow-credentials'), 'true');
    assert.equal(response.headers.get('cache-control'), 'no-store');
    assert.match(String(response.headers.get('vary')), /origin/i);
    assert.equal(await reached(), 1);
  });

  it('gets a preflight answer that allows its page', async () => {
    const preflight = (origin: string, path = '/services/far/token') =>
      server.send(`${server.issuer}${path}`, {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' },
      });
    for (const path of ['/services/far/token', '/services']) {
      const { status, headers } = await preflight(ORIGIN, path);
      assert.deepEqual(
        [status, headers.get('access-control-allow-origin'), headers.get('access-control-allow-credentials')],
        [204, ORIGIN, 'true'],
      );
      assert.equal(headers.get('access-control-allow-headers'), 'Content-Type');
    }
    for (const origin of ['https://evil.example', `${ORIGIN}0`, 'null', ORIGIN.toUpperCase()])
      assert.equal((await preflight(origin)).headers.get('access-control-allow-origin'), null, origin);
  });

  it('is refused at other pages, under any name', async () => {
    const other = await createServiceClient(server, { origins: ['https://other.example'] });
    const untrusted = await createServiceClient(server);
    const wrong: [string, object, Options][] = [
      ['no origin', {}, { origin: undefined }],
      ['another', {}, { origin: 'https://evil.example' }],
      ["another client's", {}, { origin: 'https://other.example' }],
      ['longer', {}, { origin: `${ORIGIN}.evil.example` }],
      ['null', {}, { origin: 'null' }],
      ['our own', {}, { origin: server.issuer }],
      ['another client', { client_id: other.client_id }, {}],
      ['a client with no origin', { client_id: untrusted.client_id }, {}],
      ['an unknown client', { client_id: 'nobody' }, {}],
    ];
    for (const [what, body, options] of wrong) {
      const { response, status, text } = await ask(body, options);
      assert.equal(status, 403, what);
      assert.equal(response.headers.get('access-control-allow-origin'), null, what);
      assert.ok(!/access_token|interaction|far/.test(text), what);
    }
    assert.equal((await list(reaching.browser, client.client_id, 'https://evil.example')).status, 403);
    assert.equal(await reached(), 0);
  });

  it('is refused without a session, and with one that owes a factor', async () => {
    const { status, body, response } = await ask({}, { browser: new Person(server.issuer) });
    assert.deepEqual([status, body.error], [401, 'login_required']);
    assert.equal(response.headers.get('access-control-allow-origin'), ORIGIN);
    await server.sql(`insert into totp_factor (account_id, secret, confirmed_at) values ($1, 'sealed', now())`, [reaching.person.id]);
    assert.equal((await ask()).status, 401);
    assert.equal((await list(reaching.browser, client.client_id)).status, 401);
    assert.equal(await reached(), 0);
  });

  it('may send only documented parameters', async () => {
    const bad: [string, object, Options, number][] = [
      ['a form', {}, { type: 'application/x-www-form-urlencoded', raw: `client_id=${client.client_id}` }, 415],
      ['text', {}, { type: 'text/plain' }, 415],
      ['no JSON', {}, { raw: '{' }, 400],
      ['no object', {}, { raw: '[]' }, 400],
      ['no client', {}, { raw: '{}' }, 400],
      ['a list', { client_id: [client.client_id] }, {}, 400],
      ['a member too many', { audience: 'far' }, {}, 400],
      ['an empty scope', { scope: '' }, {}, 400],
      ['NUL', { client_id: `${client.client_id}\0` }, {}, 400],
      ['NUL in the token', { refused_token: 'a\0' }, {}, 400],
      ['a long scope', { scope: 'x'.repeat(5_000) }, {}, 400],
      ['more than anybody reads', {}, { raw: JSON.stringify({ client_id: 'x'.repeat(70_000) }) }, 413],
    ];
    for (const [what, body, options, status] of bad) assert.equal((await ask(body, options)).status, status, what);
    assert.equal((await reaching.browser.request('/services/far/token')).status, 405);
    assert.equal(await reached(), 0);
  });

  it('gets the answers of a token exchange: scopes, providers, the user, an outage', async () => {
    for (const [body, options, status, error] of [
      [{ scope: 'far:notes.write' }, {}, 400, 'invalid_scope'],
      [{ scope: 'far:notes.read email' }, {}, 400, 'invalid_scope'],
      [{}, { provider: 'near' }, 400, 'invalid_target'],
      [{}, { provider: '%00' }, 400, 'invalid_target'],
    ] as const) {
      const answer = await ask(body, options);
      assert.deepEqual([answer.status, answer.body?.error], [status, error], answer.text);
    }
    await age(server, 3_600);
    await upstream.stop();
    try {
      const { response, body } = await ask();
      assert.deepEqual([response.status, body.error, response.headers.get('retry-after')], [503, 'temporarily_unavailable', '5']);
      assert.match(String(response.headers.get('access-control-expose-headers')), /Retry-After/);
    } finally {
      await upstream.resume();
    }
    await age(server, 10);
    const { access_token } = (await ask()).body;
    assert.equal(refreshes(upstream), 1);
    assert.notEqual((await ask({ refused_token: access_token })).body.access_token, access_token);
    await server.database.change(endIdentity(reaching.person.id, 'far'));
    const { body } = await ask();
    assert.equal(body.error, 'interaction_required');
    assert.equal(body.interaction_uri, `${server.issuer}/account/links/far/connect?client_id=${client.client_id}`);
  });

  it('acts for no user who has not allowed it', async () => {
    const stranger = await server.createPerson();
    await link(server, upstream, { accountId: stranger.id, scopes: ['notes.read'] });
    const elsewhere = await server.createClient();
    const { person: browser } = await obtainTokens(server, elsewhere, stranger);
    const { status, body } = await ask({}, { browser });
    assert.deepEqual([status, body.error], [400, 'invalid_scope']);
    const listed = await (await list(browser, client.client_id)).json();
    assert.deepEqual(listed, { services: [{ provider: 'far', name: 'Far', scopes: [], connected: false }] });
  });

  it('may list the connected services, by the session or by a token', async () => {
    const expected = [{ provider: 'far', name: 'Far', scopes: ['far:notes.read'], connected: true }];
    const response = await list(reaching.browser, client.client_id);
    assert.equal(response.headers.get('access-control-allow-origin'), ORIGIN);
    assert.equal(response.headers.get('cache-control'), 'no-store');
    assert.deepEqual((await response.json()).services, expected);
    assert.deepEqual((await (await callApi(server, '/services', reaching.accessToken)).json()).services, expected);
    await server.database.change(endIdentity(reaching.person.id, 'far'));
    const [service] = (await (await callApi(server, '/services', reaching.accessToken)).json()).services;
    assert.equal(service.connected, false);
    assert.match(service.interaction_uri, /\/account\/links\/far\/connect/);
  });

  it('may not list them by a token without access', async () => {
    const { access_token } = await clientCredentials(server, client, 'api');
    const { access_token: other } = await obtainTokens(server, client, reaching.person, {
      scope: 'posts:read',
      resource: `${server.issuer}/api/posts`,
    });
    for (const token of [access_token, other, 'unknown', 'x'.repeat(43), 'a.b.c']) {
      const response = await callApi(server, '/services', token);
      assert.equal(response.status, 401);
      assert.match(String(response.headers.get('www-authenticate')), /^Bearer error="invalid_token"/);
    }
  });
});
