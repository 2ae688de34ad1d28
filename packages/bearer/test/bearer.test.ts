import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { type Check, createBearerChecks, type Outcome } from '@munjigi/bearer';
import { UnsecuredJWT } from 'jose';
import { AUDIENCE, type AuthorizationServer, CLIENT, startAuthorizationServer } from './authorization-server.ts';

const METADATA = 'https://api.example/.well-known/oauth-protected-resource';
const ACTIVE = { active: true, token_type: 'Bearer', sub: 'user-1', client_id: 'app', scope: 'things:read' };
const INVALID = 'the access token is expired, revoked, malformed or meant for another resource';

const send = (check: Check, token: string) => check({ authorization: `Bearer ${token}` });
const statusOf = (outcome: Outcome) => (outcome.ok ? 200 : outcome.status);
const challengeOf = (outcome: Outcome) => (outcome.ok ? undefined : outcome.headers['WWW-Authenticate']);

let server: AuthorizationServer;
let bearer: ReturnType<typeof createBearerChecks>;
before(async () => {
  server = await startAuthorizationServer();
});
beforeEach(() => {
  server.reset();
  bearer = createBearerChecks({ issuer: server.issuer, ...CLIENT });
});
after(() => server.close());

describe('The bearer check of one request (RFC 6750)', () => {
  it('reads the token from Node headers and from fetch headers', async () => {
    server.introspects(ACTIVE);
    for (const headers of [{ authorization: 'bearer abc' }, new Headers({ authorization: 'Bearer abc' })])
      assert.equal(statusOf(await bearer.opaque()(headers)), 200);
  });

  it('without a token answers 401 with a challenge that names no error, and asks nobody', async () => {
    const check = bearer.opaque({ scope: 'things:read', resourceMetadata: METADATA });
    for (const authorization of [undefined, 'Basic abc', 'DPoP abc', 'abc', 'Bearer', 'Bearer a b', 'Bearer a, Bearer b']) {
      const outcome = await check(authorization === undefined ? {} : { authorization });
      assert.equal(statusOf(outcome), 401, authorization);
      assert.equal(challengeOf(outcome), `Bearer resource_metadata="${METADATA}", scope="things:read"`);
    }
    assert.equal(challengeOf(await bearer.opaque()({})), 'Bearer');
    assert.deepEqual(server.requests, []);
  });

  it('refuses an inactive token with invalid_token and the address of the metadata (RFC 9728 section 5.1)', async () => {
    const outcome = await send(bearer.opaque({ resourceMetadata: METADATA }), 'abc');
    assert.deepEqual(outcome, {
      ok: false,
      status: 401,
      headers: {
        'WWW-Authenticate': `Bearer error="invalid_token", error_description="${INVALID}", resource_metadata="${METADATA}"`,
        'Cache-Control': 'no-store',
      },
      body: { error: 'invalid_token', error_description: INVALID },
    });
  });

  it('refuses a token without every scope with insufficient_scope, and names the scopes', async () => {
    server.introspects(ACTIVE);
    assert.equal(statusOf(await send(bearer.opaque({ scope: 'things:read' }), 'abc')), 200);
    const outcome = await send(bearer.opaque({ scope: 'things:read things:write' }), 'abc');
    assert.equal(statusOf(outcome), 403);
    assert.match(String(challengeOf(outcome)), /error="insufficient_scope".* scope="things:read things:write"/);
    server.introspects({ ...ACTIVE, scope: undefined });
    assert.equal(statusOf(await send(bearer.opaque({ scope: 'things:read' }), 'abc')), 403);
  });

  it('refuses the token of a client alone where a user is required (RFC 9068 section 2.2)', async () => {
    for (const sub of [undefined, 'app']) {
      server.introspects({ ...ACTIVE, sub });
      assert.equal(statusOf(await send(bearer.opaque({ user: true }), 'abc')), 403);
      assert.equal(statusOf(await send(bearer.opaque(), 'abc')), 200);
    }
  });

  it('refuses a token that is bound to a key (RFC 9449 section 7.2)', async () => {
    server.introspects({ ...ACTIVE, cnf: { jkt: 'abc' } });
    assert.equal(statusOf(await send(bearer.opaque(), 'abc')), 401);
    assert.equal(statusOf(await send(bearer.jwt({ audience: AUDIENCE }), await server.jwt({ cnf: { jkt: 'abc' } }))), 401);
  });
});

describe('Opaque tokens (RFC 7662)', () => {
  it('are introspected with the credentials of the resource server, form-encoded (RFC 6749 section 2.3.1)', async () => {
    server.introspects(ACTIVE);
    const outcome = await send(bearer.opaque(), 'abc');
    assert.deepEqual(outcome, { ok: true, token: ACTIVE });
    const { body, authorization } = server.requests.find(({ path }) => path === '/introspect') ?? {};
    assert.deepEqual(Object.fromEntries(new URLSearchParams(body)), { token: 'abc', token_type_hint: 'access_token' });
    const parts = Buffer.from(String(authorization).slice(6), 'base64').toString().split(':');
    assert.deepEqual(
      parts.map((part) => new URLSearchParams(`part=${part}`).get('part')),
      [CLIENT.clientId, CLIENT.clientSecret],
    );
  });

  it('are refused for another audience, without a type as refresh tokens are, and where the server does not introspect the text', async () => {
    const check = bearer.opaque({ audience: AUDIENCE });
    server.introspects({ ...ACTIVE, aud: ['https://other.example', AUDIENCE] });
    assert.equal(statusOf(await send(check, 'abc')), 200);
    assert.equal(statusOf(await send(bearer.opaque(), 'abc')), 401);
    for (const wrong of [{ aud: 'https://other.example' }, { token_type: undefined }]) {
      server.introspects({ ...ACTIVE, ...wrong });
      assert.equal(statusOf(await send(check, 'abc')), 401, JSON.stringify(wrong));
    }
    server.answers('/introspect', { status: 400, body: { error: 'invalid_request' } });
    assert.equal(statusOf(await send(check, 'abc')), 401);
  });

  it('are introspected at every request, and the metadata is read once', async () => {
    server.introspects(ACTIVE);
    const check = bearer.opaque();
    await Promise.all([send(check, 'abc'), send(check, 'abc')]);
    server.introspects({ active: false });
    assert.equal(statusOf(await send(check, 'abc')), 401);
    const paths = server.requests.map(({ path }) => path);
    assert.equal(paths.filter((path) => path === '/introspect').length, 3);
    assert.equal(paths.filter((path) => path !== '/introspect').length, 1);
  });
});

describe('JWT access tokens (RFC 9068)', () => {
  it('are verified with the published keys, which are read once', async () => {
    const check = bearer.jwt({ audience: AUDIENCE, scope: 'things:read', user: true });
    for (let n = 0; n < 3; n++) assert.equal(statusOf(await send(check, await server.jwt())), 200);
    assert.deepEqual(
      server.requests.map(({ path }) => path),
      ['/.well-known/oauth-authorization-server', '/jwks'],
    );
  });

  it('are refused for another issuer, audience, type or time, without a client, unsigned, and under another key', async () => {
    const check = bearer.jwt({ audience: AUDIENCE });
    const elsewhere = await startAuthorizationServer();
    const tokens = [
      await server.jwt({ iss: 'https://other.example' }),
      await server.jwt({ aud: 'https://other.example' }),
      await server.jwt({ exp: 1 }),
      await server.jwt({ exp: undefined }),
      await server.jwt({ client_id: undefined }),
      await server.jwt({}, { typ: 'JWT' }),
      await server.jwt({}, { kid: 'two' }),
      await elsewhere.jwt({ iss: server.issuer }),
      new UnsecuredJWT({ iss: server.issuer, aud: AUDIENCE, sub: 'user-1', client_id: 'app' }).setExpirationTime('1m').encode(),
      'a.b.c',
      'abc',
    ];
    await elsewhere.close();
    for (const token of tokens) assert.equal(statusOf(await send(check, token)), 401, token);
  });

  it('may have the type JWT where the resource server says so', async () => {
    const check = bearer.jwt({ audience: AUDIENCE, typ: 'JWT' });
    assert.equal(statusOf(await send(check, await server.jwt({}, { typ: 'JWT' }))), 200);
    assert.equal(statusOf(await send(check, await server.jwt())), 401);
  });
});

describe('An authorization server without a usable answer', () => {
  const METADATA_PATH = '/.well-known/oauth-authorization-server';
  const failures = [
    ['a metadata error', METADATA_PATH, { status: 500, body: {} }],
    ['metadata of another issuer (RFC 8414 section 3.3)', METADATA_PATH, { body: { issuer: 'https://other.example' } }],
    ['an introspection error', '/introspect', { status: 500, body: {} }],
    ['refused credentials', '/introspect', { status: 401, body: { error: 'invalid_client' } }],
    ['an introspection answer that is no JSON', '/introspect', { text: '<p>' }],
    ['an introspection answer without `active`', '/introspect', { body: {} }],
    ['an error of the key set', '/jwks', { status: 500, body: {} }],
    ['a key set that is no JSON', '/jwks', { text: '<p>' }],
    ['a key set without keys', '/jwks', { body: {} }],
  ] as const;

  for (const [name, path, answer] of failures)
    it(`is 503 with Retry-After, never invalid_token: ${name}`, async () => {
      server.answers(path, answer);
      const check = path === '/jwks' ? bearer.jwt({ audience: AUDIENCE }) : bearer.opaque();
      const token = path === '/jwks' ? await server.jwt() : 'abc';
      const outcome = await send(check, token);
      assert(!outcome.ok);
      assert.deepEqual([outcome.status, outcome.headers['Retry-After'], outcome.body.error], [503, '5', 'temporarily_unavailable']);
      assert(outcome.reason);
      // A failure is not remembered.
      server.reset();
      server.introspects(ACTIVE);
      assert.equal(statusOf(await send(check, token)), 200);
    });

  it('is 503 within three seconds when it does not answer', async () => {
    server.answers('/introspect', { hang: true });
    const begun = performance.now();
    assert.equal(statusOf(await send(bearer.opaque(), 'abc')), 503);
    assert(performance.now() - begun < 3_000);
  });

  it('is 503 when its issuer has https and its endpoint has not', async () => {
    const issuer = 'https://auth.example';
    const fetch = async () =>
      Response.json({ issuer, introspection_endpoint: 'http://auth.example/introspect', jwks_uri: `${issuer}/jwks` });
    const outcome = await send(createBearerChecks({ issuer, ...CLIENT, fetch }).opaque(), 'abc');
    assert.equal(statusOf(outcome), 503);
  });
});
