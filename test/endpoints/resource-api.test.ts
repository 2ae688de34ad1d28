import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { generateKeyPair, importJWK, type JWK, SignJWT } from 'jose';
import { loadSigningKeys } from '../../src/oauth/keys/signing-keys.ts';
import { KeyRing } from '../../src/platform/secrets.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { callApi, clientCredentials, obtainTokens, type TestClient } from '../support/flow.ts';
import { countRows, unchanged } from '../support/storage.ts';

/** The parameters of a Bearer challenge (RFC 9110 section 11.2). */
function challenge(response: Response): Record<string, string> {
  const header = String(response.headers.get('www-authenticate'));
  assert.match(header, /^Bearer /);
  return Object.fromEntries([...header.matchAll(/([a-z_]+)="([^"]*)"/g)].map(([, name, value]) => [name, value]));
}

describe('Bearer tokens at the resource API (RFC 6750, RFC 9728)', () => {
  let server: TestServer;
  let client: TestClient;
  let person: { id: string; email: string; password: string };
  let opaque: string;
  let jwt: string;
  let jwtBrowserRefresh: string;
  before(async () => {
    server = await startTestServer();
    client = await server.createClient();
    person = await server.createPerson();
    const own = await obtainTokens(server, client, person, { scope: 'openid profile api' });
    opaque = own.access_token;
    jwtBrowserRefresh = String(own.refresh_token);
    const resource = `${server.issuer}/api/posts`;
    jwt = (await obtainTokens(server, client, person, { scope: 'openid posts:read posts:write', resource }, { resource })).access_token;
  });
  after(() => server.close());

  const paths = { own: ['/api/user', '/api/me', '/api/data', '/api/restricted'], posts: ['/api/posts'] };
  const metadataOf = (path: string) =>
    `${server.issuer}/.well-known/oauth-protected-resource${path.startsWith('/api/posts') ? '/api/posts' : ''}`;

  it('open each API if they are valid for it', async () => {
    for (const path of ['/api/user', '/api/me', '/api/data']) assert.equal((await callApi(server, path, opaque)).status, 200, path);
    assert.equal((await callApi(server, '/api/posts', jwt)).status, 200);
  });

  it('are requested by a challenge without an error code, with a link to the metadata (RFC 6750 section 3.1)', async () => {
    for (const path of [...paths.own, ...paths.posts]) {
      const response = await fetch(server.issuer + path);
      assert.equal(response.status, 401);
      assert.equal(challenge(response)['error'], undefined);
      assert.equal(challenge(response)['resource_metadata'], metadataOf(path));
      assert.equal(response.headers.get('cache-control'), 'no-store');
    }
  });

  it('get invalid_token with the metadata if they are not valid', async () => {
    for (const path of [...paths.own, ...paths.posts])
      for (const token of ['made-up', 'x'.repeat(43), 'a.b.c', `${opaque}x`, `${jwt}x`, client.client_id]) {
        const response = await callApi(server, path, token);
        assert.equal(response.status, 401, `${path} ${token}`);
        assert.equal(challenge(response)['error'], 'invalid_token');
        assert.equal(challenge(response)['resource_metadata'], metadataOf(path));
      }
  });

  it('get insufficient_scope with the missing scope', async () => {
    const response = await callApi(server, '/api/restricted', opaque);
    assert.equal(response.status, 403);
    const { error, scope, resource_metadata } = challenge(response);
    assert.deepEqual(
      { error, scope, resource_metadata },
      { error: 'insufficient_scope', scope: 'restricted', resource_metadata: metadataOf('') },
    );
  });

  it('do not count in the query or in the form (RFC 9700 section 4.3.2)', async () => {
    for (const path of [`/api/me?access_token=${opaque}`, `/api/posts?access_token=${jwt}`, `/oauth/userinfo?access_token=${opaque}`]) {
      const response = await fetch(server.issuer + path);
      assert([400, 401].includes(response.status), path);
    }
    const body = new URLSearchParams({ access_token: jwt, title: 't', body: 'b' });
    await unchanged(server, async () => assert.equal((await fetch(`${server.issuer}/api/posts`, { method: 'POST', body })).status, 401));
  });

  it('do not count with another scheme, or when there are two', async () => {
    for (const authorization of [
      `Basic ${opaque}`,
      `DPoP ${opaque}`,
      opaque,
      `Bearer`,
      `Bearer ${opaque} ${opaque}`,
      `Bearer ${opaque}, Bearer ${opaque}`,
    ]) {
      const response = await fetch(`${server.issuer}/api/me`, { headers: { authorization } });
      assert.equal(response.status, 401, authorization);
    }
  });

  it('open the posts only as a JWT, and a JWT opens nothing else', async () => {
    for (const method of ['GET', 'POST']) {
      const response = await unchanged(server, () => callApi(server, '/api/posts', opaque, { method }));
      assert.equal(response.status, 401);
      assert.equal(challenge(response)['error'], 'invalid_token');
    }
    for (const path of [...paths.own, '/oauth/userinfo']) assert.equal((await callApi(server, path, jwt)).status, 401, path);
  });

  it('cannot be refresh tokens, ID tokens or codes', async () => {
    const { id_token } = await obtainTokens(server, client, person);
    for (const token of [jwtBrowserRefresh, String(id_token)])
      for (const path of [...paths.own, ...paths.posts]) assert.equal((await callApi(server, path, token)).status, 401, path);
  });

  it('are refused as a JWT for another audience, issuer or type, and if expired, unsigned or signed by another key', async () => {
    const [header, payload] = jwt
      .split('.')
      .slice(0, 2)
      .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()));
    const theirs = await generateKeyPair('ES256', { extractable: true });
    const sign = (claims: object, protectedHeader: object = {}) =>
      new SignJWT({ ...payload, ...claims }).setProtectedHeader({ ...header, ...protectedHeader }).sign(theirs.privateKey);
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const [rawHeader, , signature] = jwt.split('.');
    const forged = [
      await sign({}),
      await sign({}, { kid: undefined }),
      await sign({ aud: `${server.issuer}/api` }),
      `${part({ ...header, alg: 'none' })}.${part(payload)}.`,
      `${rawHeader}.${part({ ...payload, scope: 'posts:read posts:write', sub: 'another' })}.${signature}`,
      `${part({ ...header, typ: 'JWT' })}.${jwt.split('.').slice(1).join('.')}`,
    ];
    for (const token of forged) {
      const response = await callApi(server, '/api/posts', token);
      assert.equal(response.status, 401);
      assert.equal(challenge(response)['error'], 'invalid_token');
    }
  });

  it('are valid with a signature of this server only for this audience, issuer, type and time', async () => {
    const { keys } = await loadSigningKeys(server.database, new KeyRing(server.config.dataEncryptionKeys));
    const jwk = keys.find(({ alg }) => alg === 'ES256') as JWK;
    const payload = JSON.parse(Buffer.from(String(jwt.split('.')[1]), 'base64url').toString());
    const sign = async (claims: object = {}, typ = 'at+jwt') =>
      new SignJWT({ ...payload, ...claims }).setProtectedHeader({ alg: 'ES256', kid: jwk.kid, typ }).sign(await importJWK(jwk));
    assert.equal((await callApi(server, '/api/posts', await sign())).status, 200);
    const wrong = [
      { aud: server.issuer },
      { aud: `${server.issuer}/api` },
      { iss: 'https://evil.example' },
      { exp: 1 },
      { exp: undefined },
    ];
    for (const claims of wrong) assert.equal((await callApi(server, '/api/posts', await sign(claims))).status, 401, JSON.stringify(claims));
    assert.equal((await callApi(server, '/api/posts', await sign({}, 'JWT'))).status, 401);
  });

  it('cannot be an ID token, which the same key signed for another audience and type', async () => {
    const es256 = await server.createClient({ id_token_signed_response_alg: 'ES256' });
    const { id_token } = await obtainTokens(server, es256, person);
    assert.equal((await callApi(server, '/api/posts', String(id_token))).status, 401);
  });

  it("of a client itself open data but no user's data", async () => {
    const { access_token } = await clientCredentials(server, client, 'api profile');
    assert.equal((await callApi(server, '/api/data', access_token)).status, 200);
    for (const path of ['/api/me', '/api/user']) {
      const response = await callApi(server, path, access_token);
      assert.equal(response.status, 403);
      assert.equal(challenge(response)['error'], 'insufficient_scope');
    }
  });

  it('tell no more of a user than their scopes allow', async () => {
    const narrow = await obtainTokens(server, client, person, { scope: 'openid' });
    const user = (await (await callApi(server, '/api/user', narrow.access_token)).json()) as Record<string, unknown>;
    assert.deepEqual(user, { sub: person.id });
    assert.equal((await callApi(server, '/api/me', narrow.access_token)).status, 403);
  });
});

describe('Posts (the contract of /api/posts)', () => {
  let server: TestServer;
  let client: TestClient;
  before(async () => {
    server = await startTestServer();
    client = await server.createClient();
  });
  after(() => server.close());

  async function author(scope = 'openid posts:read posts:write') {
    const resource = `${server.issuer}/api/posts`;
    const person = await server.createPerson();
    const { access_token } = await obtainTokens(server, client, person, { scope, resource }, { resource });
    return { id: person.id, token: access_token };
  }
  const send = (token: string, method: string, path: string, body?: unknown) =>
    callApi(server, path, token, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });

  it('are created, read, changed and deleted by their author', async () => {
    const { id: author_id, token } = await author();
    const created = await send(token, 'POST', '/api/posts', { title: '첫 글', body: '안녕' });
    assert.equal(created.status, 201);
    const post = (await created.json()) as { id: string };
    assert.deepEqual(post, { id: post.id, title: '첫 글', body: '안녕', author: author_id });
    const changed = await send(token, 'PUT', `/api/posts/${post.id}`, { title: '새 글', body: '또 안녕' });
    assert.equal(changed.status, 200);
    assert.deepEqual(await changed.json(), { ...post, title: '새 글', body: '또 안녕' });
    const { posts } = (await (await send(token, 'GET', '/api/posts')).json()) as { posts: unknown[] };
    assert.deepEqual(posts, [{ ...post, title: '새 글', body: '또 안녕' }]);
    assert.equal((await send(token, 'DELETE', `/api/posts/${post.id}`)).status, 204);
    assert.equal(await countRows(server, 'post'), 0);
  });

  it('cannot be changed by others, or with a token that may only read', async () => {
    const mine = await author();
    const post = (await (await send(mine.token, 'POST', '/api/posts', { title: 't', body: 'b' })).json()) as { id: string };
    const other = await author();
    const reader = await author('openid posts:read');
    await unchanged(server, async () => {
      assert.equal((await send(other.token, 'PUT', `/api/posts/${post.id}`, { title: 'x', body: 'x' })).status, 403);
      assert.equal((await send(other.token, 'DELETE', `/api/posts/${post.id}`)).status, 403);
      const refused = await send(reader.token, 'POST', '/api/posts', { title: 'x', body: 'x' });
      assert.equal(refused.status, 403);
      assert.equal(challenge(refused)['scope'], 'posts:write');
      assert.equal((await send(mine.token, 'PUT', '/api/posts/unknown', { title: 'x', body: 'x' })).status, 404);
      assert.equal((await send(mine.token, 'DELETE', '/api/posts/unknown')).status, 404);
    });
  });

  it('need a title, may have a body, and nothing else', async () => {
    const mine = await author();
    const bare = await send(mine.token, 'POST', '/api/posts', { title: 'a title alone' });
    assert.equal(bare.status, 201);
    assert.equal(((await bare.json()) as { body: string }).body, '');
    const body = { title: 't', body: 'b', author: 'somebody', authorId: 'somebody', id: 'mine', createdAt: '2000-01-01T00:00:00Z' };
    const post = (await (await send(mine.token, 'POST', '/api/posts', body)).json()) as { id: string; author: string };
    assert.equal(post.author, mine.id);
    assert.notEqual(post.id, 'mine');
    await unchanged(server, async () => {
      for (const wrong of [
        {},
        { body: 'b' },
        { title: '', body: 'b' },
        { title: 't', body: null },
        { title: 't', body: 1 },
        { title: 'x'.repeat(201), body: 'b' },
        [],
        null,
        'x',
      ])
        assert.equal((await send(mine.token, 'POST', '/api/posts', wrong)).status, 400, JSON.stringify(wrong));
    });
  });
});
