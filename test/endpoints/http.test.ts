import assert from 'node:assert/strict';
import { request } from 'node:http';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { isHostOf } from '../../src/http/host.ts';
import { KEPT_SECONDS } from '../../src/oauth/addresses.ts';
import { PUBLISHED_BEFORE_SECONDS } from '../../src/oauth/keys/signing-keys.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { authorizePath, createResourceServerClient, pkce, post, redeem, type TestClient } from '../support/flow.ts';
import { Person } from '../support/person.ts';
import { leadsTo } from '../support/refusals.ts';
import { unchanged } from '../support/storage.ts';

const PROGRAMS = ['/oauth/token', '/oauth/introspect', '/oauth/revoke', '/oauth/par', '/oauth/device_authorization'];
const DOCUMENTS = [
  '/.well-known/openid-configuration',
  '/.well-known/oauth-authorization-server',
  '/.well-known/oauth-protected-resource',
  '/.well-known/oauth-protected-resource/api/posts',
  '/oauth/jwks',
];

describe('Every endpoint, by the rules of HTTP (RFC 9110)', () => {
  let server: TestServer;
  let client: TestClient;
  let api: TestClient;
  before(async () => {
    server = await startTestServer();
    client = await server.createClient();
    api = await createResourceServerClient(server);
  });
  after(() => server.close());

  const send = (path: string, init: RequestInit = {}) => fetch(server.issuer + path, { redirect: 'manual', ...init });
  /** The `Accept` header of Java's HttpURLConnection. */
  const JAVA = { accept: 'text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2' };
  const raw = (text: string) =>
    new Promise<string>((resolve, reject) => {
      let answer = '';
      const socket = connect(server.config.port, '127.0.0.1', () => socket.write(text));
      socket.on('data', (chunk) => (answer += chunk)).on('close', () => resolve(answer));
      socket.on('error', (error) => (answer ? resolve(answer) : reject(error)));
    });

  describe('errors', () => {
    const assertJson = async (response: Response, status: number, error?: string) => {
      const text = await response.text();
      assert.equal(response.status, status, text);
      assert.match(String(response.headers.get('content-type')), /^application\/json/);
      if (error) assert.equal(JSON.parse(text).error, error);
    };

    it('are JSON for programs, for any Accept header', async () => {
      for (const accept of [JAVA.accept, 'text/html', 'image/png']) {
        const headers = { accept };
        for (const path of PROGRAMS) {
          await assertJson(await post(server, path, undefined, {}, headers), 400);
          await assertJson(await send(path, { headers }), 405, 'method_not_allowed');
          await assertJson(await send(`${path}/`, { headers }), 404, 'not_found');
          await assertJson(await post(server, path, { ...client, client_secret: 'wrong' }, { token: 'x' }, headers), 401, 'invalid_client');
        }
        await assertJson(await send('/oauth/userinfo', { headers }), 401, 'invalid_token');
        await assertJson(await send('/oauth/register', { headers, method: 'POST', body: '{}' }), 400);
        await assertJson(await send('/oauth/register/nobody', { headers: { ...headers, authorization: 'Bearer x' } }), 401);
        await assertJson(await send('/.well-known/openid-configuration', { headers, method: 'POST' }), 405);
        await assertJson(await send('/oauth/jwks', { headers, method: 'POST' }), 405);
        await assertJson(await send('/api/me', { headers }), 401);
        await assertJson(await send('/api/nowhere', { headers }), 404);
      }
    });

    it('answer a polling device as RFC 8628 says, also a Java client', async () => {
      const device = await server.createClient({
        grant_types: ['urn:ietf:params:oauth:grant-type:device_code'],
        response_types: [],
        redirect_uris: [],
        token_endpoint_auth_method: 'none',
        application_type: 'native',
      });
      const open = { client_id: device.client_id, redirect_uri: '' };
      const { device_code } = await (await post(server, '/oauth/device_authorization', open, { scope: 'openid' }, JAVA)).json();
      const poll = { grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code };
      await assertJson(await post(server, '/oauth/token', open, poll, JAVA), 400, 'authorization_pending');
    });

    it('are pages for browsers', async () => {
      const response = await send('/oauth/authorize?client_id=nobody', { headers: { accept: 'text/html' } });
      assert.match(String(response.headers.get('content-type')), /^text\/html/);
    });
  });

  it('sends no Content-Type with an empty answer', async () => {
    const response = await post(server, '/oauth/revoke', client, { token: 'unknown' });
    assert.deepEqual(
      [response.status, await response.text(), response.headers.get('content-type'), response.headers.get('content-length')],
      [200, '', null, '0'],
    );
  });

  it('answers 405 with the allowed methods to another method; OPTIONS lists the same', async () => {
    const takes: Record<string, string> = {
      ...Object.fromEntries(PROGRAMS.map((path) => [path, 'POST, OPTIONS'])),
      '/oauth/register': 'POST, OPTIONS',
      '/oauth/register/x': 'GET, HEAD, PUT, DELETE, OPTIONS',
      '/oauth/userinfo': 'GET, HEAD, POST, OPTIONS',
      '/oauth/jwks': 'GET, HEAD, OPTIONS',
      '/oauth/authorize': 'GET, HEAD, POST, OPTIONS',
      '/oauth/authorize/x': 'GET, HEAD, OPTIONS',
      '/oauth/logout': 'GET, HEAD, POST, OPTIONS',
      '/oauth/logout/confirm': 'POST, OPTIONS',
      '/device': 'GET, HEAD, POST, OPTIONS',
      '/.well-known/openid-configuration': 'GET, HEAD, OPTIONS',
    };
    for (const [path, allow] of Object.entries(takes)) {
      const options = await send(path, { method: 'OPTIONS' });
      assert.deepEqual([options.status, options.headers.get('allow')], [204, allow], path);
      for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'].filter((method) => !allow.split(', ').includes(method))) {
        const { status, headers } = await unchanged(server, () => send(path, { method }));
        assert.deepEqual([status, headers.get('allow')], [405, allow], `${method} ${path}`);
      }
    }
    for (const path of DOCUMENTS) {
      const head = await send(path, { method: 'HEAD' });
      assert.deepEqual([head.status, await head.text()], [200, '']);
      assert(Number(head.headers.get('content-length')) > 0);
    }
  });

  it('lets caches store metadata and keys for less time than a key is published before it signs, and never tokens', async () => {
    assert(KEPT_SECONDS < PUBLISHED_BEFORE_SECONDS);
    for (const path of DOCUMENTS) {
      const { status, headers } = await send(`${path}?lang=ko`);
      const [control, tag] = [headers.get('cache-control'), String(headers.get('etag'))];
      assert.deepEqual([status, control, headers.get('set-cookie')], [200, `public, max-age=${KEPT_SECONDS}`, null], path);
      for (const known of [tag, `W/${tag}`, `"other", ${tag}`, '*']) {
        const again = await send(path, { headers: { 'if-none-match': known } });
        assert.deepEqual(
          [again.status, await again.text(), again.headers.get('etag'), again.headers.get('content-type')],
          [304, '', tag, null],
        );
      }
      assert.equal((await send(path, { headers: { 'if-none-match': '"other"' } })).status, 200);
    }
    const token = await post(server, '/oauth/token', client, { grant_type: 'client_credentials' });
    assert.match(String(token.headers.get('cache-control')), /no-store/);
    assert.equal((await send('/.well-known/oauth-protected-resource/nothing')).headers.get('etag'), null);
  });

  it('answers 415 with a sentence to a compressed body, and decompresses nothing', async () => {
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const body = gzipSync('token=x&grant_type=client_credentials');
    for (const path of [...PROGRAMS, '/oauth/authorize', '/oauth/logout', '/oauth/userinfo'])
      for (const coding of ['gzip', 'GZIP', 'deflate, br', 'zstd']) {
        const response = await unchanged(server, () =>
          send(path, { method: 'POST', body, headers: { ...form, 'content-encoding': coding } }),
        );
        const text = await response.text();
        assert.equal(response.status, 415, `${path} ${text}`);
        assert.match(text, /Content-Encoding/);
        assert.equal(response.headers.get('accept-encoding'), 'identity');
      }
    const json = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
    assert.equal((await send('/oauth/register', { method: 'POST', body: gzipSync('{}'), headers: json })).status, 415);
    // `identity` declares an uncompressed body.
    assert.equal((await post(server, '/oauth/introspect', api, { token: 'x' }, { 'content-encoding': 'identity' })).status, 200);
  });

  describe('Host', () => {
    const ask = (host: string, path = '/oauth/jwks') =>
      new Promise<{ status: number; text: string }>((resolve, reject) => {
        const sent = request({ port: server.config.port, host: '127.0.0.1', path, setHost: false }, (response) => {
          let text = '';
          response.on('data', (chunk) => (text += chunk)).on('end', () => resolve({ status: Number(response.statusCode), text }));
        });
        sent.setHeader('host', host);
        sent.on('error', reject).end();
      });
    const status = async (host: string) => (await ask(host)).status;

    it('is accepted in any case and with one final dot, and no similar name is', async () => {
      const { port } = server.config;
      for (const host of [`localhost:${port}`, `LocalHost:${port}`, `localhost.:${port}`]) {
        const { status, text } = await ask(host, '/.well-known/openid-configuration');
        assert.equal(status, 200, host);
        assert.equal(text, await (await send('/.well-known/openid-configuration')).text(), 'addresses are written as the issuer is');
      }
      for (const host of [`localhost..:${port}`, `.localhost:${port}`, `localhost:${port}.`, `localhost:0${port}`, 'localhost.'])
        assert.equal(await status(host), 421, host);
      const https = isHostOf('https://auth.example');
      for (const host of ['auth.example', 'auth.example:443', 'AUTH.example.', 'auth.example.:443']) assert(https(host), host);
      for (const host of ['auth.example:80', 'auth.example:', 'auth.example:444', 'auth.example.evil', '', undefined]) assert(!https(host));
      const other = isHostOf('http://[::1]:3000');
      assert.deepEqual([other('[::1]:3000'), other('[::1].:3000'), other('[::1]')], [true, false, false]);
    });

    it('is accepted in the same way by the short way of introspection', async () => {
      const { port } = server.config;
      const introspect = (host: string) => {
        const basic = Buffer.from(`${api.client_id}:${api.client_secret}`).toString('base64');
        const head = `POST /oauth/introspect HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Basic ${basic}\r\nConnection: close\r\n`;
        const token = `token=${'x'.repeat(43)}`;
        return raw(`${head}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ${token.length}\r\n\r\n${token}`);
      };
      assert.match(await introspect(`localhost.:${port}`), /^HTTP\/1\.1 200 [\s\S]*"active":false/);
      assert.match(await introspect(`localhost:${port}\r\nHost: evil.example`), /^HTTP\/1\.1 400 /);
      assert.match(await introspect('evil.example'), /^HTTP\/1\.1 421 /);
    });

    it('is refused when sent twice (RFC 9112 section 3.2)', async () => {
      const ours = `Host: localhost:${server.config.port}\r\n`;
      for (const hosts of [`${ours}Host: evil.example\r\n`, `Host: evil.example\r\n${ours}`, ours + ours])
        assert.match(await raw(`GET /oauth/jwks HTTP/1.1\r\n${hosts}Connection: close\r\n\r\n`), /^HTTP\/1\.1 400 /);
    });
  });

  describe('a request that cannot be parsed', () => {
    const cookies = `a=${'x'.repeat(20_000)}`;

    it('tells a user, in their language, to delete the cookies of this site', async () => {
      for (const [language, sentence] of [
        ['en-US,ko;q=0.5', 'Delete the cookies of this site'],
        ['ko', '이 사이트의 쿠키를 지우거나'],
      ] as const) {
        const headers = { cookie: cookies, accept: 'text/html', 'accept-language': language };
        const response = await unchanged(server, () => send('/account', { headers }));
        const text = await response.text();
        assert.equal(response.status, 431);
        assert(text.includes(sentence), text);
        assert(text.includes(String(response.headers.get('x-request-id'))));
        assert.match(String(response.headers.get('content-security-policy')), /frame-ancestors 'none'/);
        assert.doesNotMatch(text, /xxxx/);
      }
    });

    it('gets JSON for a program, which a page of another origin may read', async () => {
      const response = await send('/oauth/token', { headers: { cookie: cookies, accept: 'text/html', origin: 'https://a.example' } });
      assert.equal(response.status, 431);
      assert.equal(response.headers.get('access-control-allow-origin'), '*');
      assert.equal(((await response.json()) as { error: string }).error, 'headers_too_large');
    });

    it('ends the connection, regardless of later data', async () => {
      assert.match(await raw(`GET / HTTP/1.1\r\nHost: x\r\nCookie: ${'x'.repeat(300_000)}\r\n\r\nGET / HTTP/1.1\r\n`), /^HTTP\/1\.1 431 /);
      assert.match(await raw('nonsense\r\n\r\n'), /^HTTP\/1\.1 400 Bad Request\r\n/);
    });
  });

  describe('a form at the authorization endpoint (OIDC Core 3.1.2.1)', () => {
    const crossSite = { accept: 'text/html', origin: 'https://client.example', 'sec-fetch-site': 'cross-site' };
    const parameters = (more: Record<string, string> = {}) => {
      const { code_verifier, ...challenge } = pkce();
      return { code_verifier, query: new URL(authorizePath(client, { ...challenge, ...more }), server.issuer).searchParams };
    };

    it('gets a 303 to the same address, where the browser sends its session', async () => {
      const browser = new Person(server.issuer);
      const person = await server.createPerson();
      const { code_verifier, query } = parameters({ state: 'a b&c=d', nonce: '홍' });
      const first = await send('/oauth/authorize', { method: 'POST', body: query, headers: crossSite });
      assert.equal(first.status, 303);
      assert.equal(first.headers.get('set-cookie'), null, 'nothing was decided yet');
      const address = new URL(String(first.headers.get('location')), server.issuer);
      assert.deepEqual([address.origin, address.pathname, [...address.searchParams]], [server.issuer, '/oauth/authorize', [...query]]);
      const signIn = await browser.open('/oauth/authorize', { method: 'POST', body: query, headers: crossSite });
      const consent = await signIn.submit({ email: person.email, password: person.password });
      const answer = await consent.submit({ scope: consent.optionalScopes, decision: 'approve' });
      assert.equal(answer.url.searchParams.get('state'), 'a b&c=d');
      const code = String(answer.url.searchParams.get('code'));
      assert.equal((await redeem(server, client, { code, code_verifier, redirect_uri: client.redirect_uri })).status, 200);
      // A browser with a session needs no further interaction.
      const silent = parameters({ prompt: 'none' }).query;
      const again = await browser.open('/oauth/authorize', { method: 'POST', body: silent, headers: crossSite });
      assert(again.url.searchParams.get('code'), again.url.href);
    });

    it('gets the error of a GET where one exists, and leads nowhere', async () => {
      const wrong = { redirect_uri: ['https://evil.example/', ''], client_id: ['nobody', '\0', ''] };
      for (const [name, value] of Object.entries(wrong).flatMap(([name, values]) => values.map((value) => [name, value] as const))) {
        const { query } = parameters({ [name]: value });
        for (const headers of [crossSite, { accept: '*/*' }]) {
          const posted = await unchanged(server, () => send('/oauth/authorize', { method: 'POST', body: query, headers }));
          const got = await send(`/oauth/authorize?${query}`, { headers });
          assert.deepEqual([posted.status, posted.headers.get('location')], [400, null]);
          assert.deepEqual([got.status, got.headers.get('content-type')], [posted.status, posted.headers.get('content-type')]);
        }
      }
      const twice = await new Person(server.issuer).open('/oauth/authorize', {
        method: 'POST',
        body: new URLSearchParams(`${parameters().query}&scope=openid`),
      });
      assert.equal(twice.url.searchParams.get('error'), 'invalid_request');
    });

    it('must be a form, and fit into a URL', async () => {
      const { query } = parameters();
      const refused = async (status: number, body: BodyInit, headers: Record<string, string>, says?: RegExp) => {
        const response = await unchanged(server, () =>
          send('/oauth/authorize', { method: 'POST', body, headers: { ...crossSite, ...headers } }),
        );
        const text = await response.text();
        assert.deepEqual([response.status, response.headers.get('location')], [status, null], text);
        if (says) assert.match(text, says);
      };
      await refused(415, JSON.stringify(Object.fromEntries(query)), { 'content-type': 'application/json' });
      await refused(415, String(query), { 'content-type': 'text/plain' });
      query.set('state', 'x'.repeat(13_000));
      await refused(413, query, {}, /\/oauth\/par/);
      query.set('state', 'x'.repeat(1_000_000));
      await refused(413, query, {}, /\/oauth\/par/);
      query.set('state', 's');
      query.set('login_hint', 'x'.repeat(8_000));
      const page = await new Person(server.issuer).open('/oauth/authorize', { method: 'POST', body: query, headers: crossSite });
      assert.match(page.html, /name="password"/);
    });
  });

  describe('response types and modes', () => {
    const ask = async (more: Record<string, string>) => {
      return new URL(
        await leadsTo(await send(authorizePath(client, { ...pkce(), code_verifier: undefined, nonce: 'n', ...more }))),
        server.issuer,
      );
    };

    it('of implicit and hybrid flows get an error that names the setting to change, in the requested mode (RFC 9700 section 2.1.2)', async () => {
      for (const response_type of ['token', 'id_token', 'id_token token', 'code id_token', 'code token', 'none', 'made-up'])
        for (const response_mode of [undefined, 'fragment', 'query']) {
          const address = await ask({ response_type, ...(response_mode ? { response_mode } : {}) });
          assert.equal(address.origin + address.pathname, client.redirect_uri);
          const byFragment = response_mode ? response_mode === 'fragment' : /token/.test(response_type);
          const answer = byFragment ? new URLSearchParams(address.hash.slice(1)) : address.searchParams;
          assert.equal(answer.get('error'), 'unsupported_response_type', `${response_type} ${response_mode} ${address}`);
          assert.match(String(answer.get('error_description')), /set response_type to code/);
          assert.deepEqual([answer.get('state'), answer.get('iss')], ['s', server.issuer]);
        }
      const page = await new Person(server.issuer).open(authorizePath(client, { response_type: 'id_token', response_mode: 'form_post' }));
      assert.deepEqual([page.form().action, page.form().hidden['error']], [client.redirect_uri, 'unsupported_response_type']);
    });

    it('never send an error to an unregistered address', async () => {
      for (const response_mode of ['fragment', 'query', 'form_post']) {
        const path = authorizePath(client, { response_type: 'token', response_mode, redirect_uri: 'https://evil.example/' });
        const response = await send(path, { headers: { accept: 'text/html' } });
        assert.deepEqual([response.status, response.headers.get('location')], [400, null]);
        assert.doesNotMatch(await response.text(), /<form|"https:\/\/evil/);
      }
    });

    it('are refused for a request object in its own way, and nothing else of it is read', async () => {
      const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
      const inside = { response_mode: 'form_post', state: 'inside', redirect_uri: 'https://evil.example/', client_id: 'other' };
      const request = `${part({ alg: 'none' })}.${part(inside)}.`;
      const page = await new Person(server.issuer).open(authorizePath(client, { request, state: undefined }));
      assert.deepEqual([page.form().action, page.form().hidden['error']], [client.redirect_uri, 'request_not_supported']);
      assert.equal(page.form().hidden['state'], 'inside');
      const outside = await ask({ request, response_mode: 'query', state: 'outside' });
      assert.deepEqual([outside.searchParams.get('state'), outside.searchParams.get('error')], ['outside', 'request_not_supported']);
      for (const broken of ['x', 'a.b.c', `${part({})}.${part([])}.`])
        assert.equal((await ask({ request: broken })).searchParams.get('error'), 'request_not_supported');
    });
  });
});
