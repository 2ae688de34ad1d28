import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { post } from '../support/flow.ts';
import { askToRegister, manage, register, sendRegistration } from '../support/registration.ts';
import { unchanged } from '../support/storage.ts';

const PAGE = 'https://page.example';
const METADATA = { client_name: 'Walk', redirect_uris: ['https://walk.example/cb'], token_endpoint_auth_method: 'none' };

/** What a browser lets a page read and send (Fetch standard, CORS protocol). */
describe('Pages of other origins', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  const send = (path: string, init: RequestInit = {}, origin = PAGE) =>
    fetch(server.issuer + path, { redirect: 'manual', ...init, headers: { origin, ...(init.headers as Record<string, string>) } });
  const preflight = (path: string, method: string, origin = PAGE) =>
    send(
      path,
      { method: 'OPTIONS', headers: { 'access-control-request-method': method, 'access-control-request-headers': 'authorization,x-any' } },
      origin,
    );
  const readers = ({ headers }: Response) => headers.get('access-control-allow-origin');
  const assertReadable = (response: Response, status: number, origin = PAGE) => {
    assert.equal(response.status, status);
    assert(['*', origin].includes(String(readers(response))), `${response.url} ${readers(response)}`);
    assert.equal(response.headers.get('access-control-allow-credentials'), null);
    assert.match(String(response.headers.get('access-control-expose-headers')), /WWW-Authenticate.*Retry-After/);
  };

  it('may request and read public documents, and send a token in the Authorization header', async () => {
    const open: [string, string[]][] = [
      ['/.well-known/openid-configuration', ['GET']],
      ['/.well-known/oauth-authorization-server', ['GET']],
      ['/.well-known/oauth-protected-resource', ['GET']],
      ['/.well-known/oauth-protected-resource/api/posts', ['GET']],
      ['/oauth/jwks', ['GET']],
      ['/oauth/register', ['POST']],
      ['/oauth/register/some-client', ['GET', 'PUT', 'DELETE']],
      ['/api/me', ['GET']],
      ['/api/posts', ['GET', 'POST']],
      ['/api/posts/1', ['PUT', 'DELETE']],
    ];
    for (const [path, methods] of open)
      for (const method of methods) {
        const { status, headers } = await preflight(path, method);
        assert.equal(status, 204, path);
        assert.equal(headers.get('access-control-allow-origin'), '*', path);
        assert(headers.get('access-control-allow-methods')?.split(', ').includes(method), `${path} ${method}`);
        assert.equal(headers.get('access-control-allow-headers'), 'authorization,x-any');
        assert.equal(headers.get('access-control-allow-credentials'), null);
      }
  });

  it("may read errors, including those of the server's own error boundary", async () => {
    assertReadable(await send('/api/me'), 401);
    assertReadable(await send('/api/data', { headers: { authorization: 'Bearer nope', cookie: 'session=x' } }), 401);
    assertReadable(await send('/api/nowhere'), 404);
    assertReadable(await send('/api/me', { method: 'PUT' }), 405);
    assertReadable(await send('/.well-known/openid-configuration/of/a/path'), 404);
    assertReadable(await send('/oauth/jwks', { method: 'DELETE' }), 405);
    assertReadable(await send('/oauth/register/nobody', { headers: { authorization: 'Bearer nope' } }), 401);
    assertReadable(await sendRegistration(server, { redirect_uris: ['javascript:alert(1)'] }, { origin: PAGE }), 400);
    assertReadable(await sendRegistration(server, '{}', { origin: PAGE, 'content-encoding': 'gzip' }), 415);
    // Before the client is known, an error reveals nothing about it.
    assertReadable(await send('/oauth/token', { method: 'PUT' }), 405);
    assertReadable(await send('/oauth/par', { method: 'POST', body: 'x', headers: { 'content-encoding': 'br' } }), 415);
  });

  it('may read that there were too many registrations, and when to try again', async () => {
    let response = await askToRegister(server, METADATA, { origin: PAGE });
    assertReadable(response, 201);
    await server.sql('delete from rate_limit');
    for (let n = 0; n < 61; n++) response = await sendRegistration(server, '{', { origin: PAGE });
    assertReadable(response, 429);
    assert(Number(response.headers.get('retry-after')) > 0);
    await server.sql('delete from rate_limit');
  });

  it('may never read a page, for any signed-in user', async () => {
    for (const path of [
      '/account',
      '/developer',
      '/admin',
      '/oauth/authorize?client_id=x',
      '/oauth/logout',
      '/device',
      '/interaction/x',
      '/',
    ]) {
      assert.equal(readers(await send(path)), null, path);
      const { headers } = await preflight(path, 'GET');
      assert.deepEqual([headers.get('access-control-allow-origin'), headers.get('access-control-allow-methods')], [null, null], path);
    }
  });

  describe('that call as a client', () => {
    const readableBy = async (client: { client_id: string }, origin: string, path = '/oauth/token') => {
      const open = { client_id: client.client_id, redirect_uri: '' };
      const response = await post(server, path, open, { grant_type: 'refresh_token', refresh_token: 'x', token: 'x' }, { origin });
      await response.body?.cancel();
      assert.equal(response.headers.get('access-control-allow-credentials'), null);
      return readers(response) === origin;
    };

    it('may do so from the origins of its redirect URIs, at every endpoint it calls, and from no other', async () => {
      const client = await register(server, METADATA);
      for (const path of ['/oauth/token', '/oauth/revoke', '/oauth/par', '/oauth/device_authorization', '/oauth/introspect']) {
        assert.equal((await preflight(path, 'POST', 'https://walk.example')).status, 204);
        assert(await readableBy(client, 'https://walk.example', path), path);
        for (const origin of [
          'https://evil.example',
          'http://walk.example',
          'https://walk.example.evil.example',
          'https://walk.example:444',
          'null',
        ])
          assert(!(await readableBy(client, origin, path)), `${path} ${origin}`);
      }
      assert.equal(readers(await preflight('/oauth/token', 'POST', 'null')), null);
    });

    it('may do so from any loopback page with the same scheme, while a redirect URI is a loopback address', async () => {
      const client = await register(server, { ...METADATA, redirect_uris: ['http://localhost:6274/oauth/callback'] });
      for (const origin of ['http://localhost:6275', 'http://127.0.0.1:3000', 'http://[::1]:5173', 'http://localhost'])
        assert(await readableBy(client, origin), origin);
      for (const origin of [
        'https://localhost:6274',
        'http://localhost.evil.example:6275',
        'http://evil-localhost:6275',
        'http://127.0.0.1.evil.example',
        'http://127.0.0.10',
        'http://localhost:6275/',
        'http://LOCALHOST:6275',
        'http://user@localhost:6275',
        'null',
      ])
        assert(!(await readableBy(client, origin)), origin);
      assert(!(await readableBy(await register(server, METADATA), 'http://localhost:6275')), 'not of a client without one');
    });

    it('may do so from the origins that it registers, and may remove later (RFC 7592)', async () => {
      const allowed_origins = [
        'capacitor://localhost',
        'tauri://localhost',
        'http://tauri.localhost',
        'https://shell.example:8443',
        'http://127.0.0.1:9000',
        'chrome-extension://abcdefghijklmnop',
      ];
      const client = await register(server, { ...METADATA, allowed_origins });
      assert.deepEqual(client['allowed_origins'], allowed_origins);
      for (const origin of allowed_origins) assert(await readableBy(client, origin), origin);
      for (const origin of ['capacitor://localhost2', 'https://shell.example', 'http://127.0.0.1:9001', 'null'])
        assert(!(await readableBy(client, origin)), origin);
      const { client_id } = client;
      const answer = await (await manage(server, client, 'PUT', { ...METADATA, client_id, allowed_origins: ['app://desk'] })).json();
      assert.deepEqual(answer.allowed_origins, ['app://desk']);
      assert(await readableBy(client, 'app://desk'));
      assert(!(await readableBy(client, 'capacitor://localhost')));
    });

    it('may not register a pattern, or an origin that anyone can have', async () => {
      const wrong = [
        ...[
          '*',
          'null',
          '',
          'https://*.example',
          'https://app.example/',
          'https://app.example/path',
          'https://app.example?x',
          'app.example',
        ],
        ...[
          'https://user@app.example',
          'https://APP.example',
          'https://app.example:443',
          'http://app.example',
          'http://localhost.evil.example',
        ],
        ...['file://', 'file://host', 'data:text/html', 'javascript:alert(1)', 'blob:https://app.example', 'about:blank', 'capacitor://*'],
        ...[
          'capacitor://localhost/',
          'capacitor:localhost',
          'ws://app.example',
          'https://app.example https://evil.example',
          'https://앱.example',
        ],
        ...['intent://app', 'ms-search://app', 'microsoft-edge://app', 'web+app://desk', 'x://app'],
      ];
      for (const origin of wrong) {
        const response = await unchanged(server, () =>
          askToRegister(server, { ...METADATA, allowed_origins: ['https://ok.example', origin] }),
        );
        const { error, error_description } = (await response.json()) as Record<string, string>;
        assert.deepEqual([response.status, error], [400, 'invalid_client_metadata'], origin);
        assert.match(String(error_description), /^allowed_origins must only contain origins, such as [\x20-\x7e]+ member 1 is /);
      }
      for (const nothing of [null, ''])
        assert.equal((await register(server, { ...METADATA, allowed_origins: nothing }))['allowed_origins'], undefined);
      for (const members of ['https://ok.example', [1], Array.from({ length: 11 }, (_, n) => `https://a${n}.example`)])
        assert.equal((await askToRegister(server, { ...METADATA, allowed_origins: members })).status, 400);
    });

    it('may not do so with a secret, because anyone who opens the page could read it', async () => {
      const client = await server.createClient({ redirect_uris: ['https://walk.example/cb'] });
      const response = await post(server, '/oauth/token', client, { grant_type: 'client_credentials' }, { origin: 'https://walk.example' });
      assert.deepEqual([response.status, readers(response)], [400, null]);
    });
  });
});
