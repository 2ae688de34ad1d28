import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { drive, pythonWith } from '../support/client-driver.ts';
import { freePort, REDIRECT_URI, startTestServer, type TestServer } from '../support/environment.ts';
import { createResourceServerClient } from '../support/flow.ts';
import { forgetRegistrations, register } from '../support/registration.ts';

/**
 * Python's clients, each in a process of its own (python/*.py), with a user who only signs in and presses Allow.
 */

const redirectUri = REDIRECT_URI;

type SessionResult = {
  plain: { scope: string; user: { email: string } };
  scoped: { scope: string; id_token: boolean; me: object; data: number; restricted: number };
  guard: number[];
  refreshed: number;
  revoked: number[];
};

describe('Python', () => {
  let server: TestServer;
  let user: { id: string; email: string; password: string; username: string };
  before(async () => {
    server = await startTestServer();
    user = await server.createPerson();
  });
  after(() => server.close());

  const run = <Result>(python: string, script: string, settings: Record<string, unknown>) =>
    drive<Result>(server, user, [python, join(import.meta.dirname, 'python', script)], settings);

  /** A client that registered itself, as its developer would type it in. */
  async function registered(metadata: Record<string, unknown> = {}) {
    const client = await register(server, {
      redirect_uris: [redirectUri],
      grant_types: ['authorization_code', 'refresh_token'],
      ...metadata,
    });
    return { clientId: client.client_id, clientSecret: client.client_secret, redirectUri };
  }

  /** The same for an app that listens on localhost. */
  async function onLoopback(path: string) {
    const port = await freePort();
    return { port, ...(await registered({ redirect_uris: [`http://localhost:${port}${path}`] })) };
  }

  const details = () => ({ [user.id]: { email: user.email, name: '홍길동' } });

  const flask = pythonWith('authlib.integrations.flask_client, flask, requests');
  it("Authlib's Flask client signs a user in and stores the e-mail", { skip: flask.skip }, async () => {
    const { users } = await run<{ users: Record<string, object> }>(flask.python, 'authlib_flask.py', await onLoopback('/auth'));
    assert.deepEqual(users[user.id], { ...details()[user.id], me: { id: user.id, username: user.username } });
  });

  const starlette = pythonWith('authlib.integrations.starlette_client, starlette, uvicorn, httpx, itsdangerous');
  it("Authlib's Starlette client does too", { skip: starlette.skip }, async () => {
    const { users } = await run<{ users: Record<string, object> }>(starlette.python, 'authlib_starlette.py', await onLoopback('/auth'));
    assert.deepEqual(users, details());
  });

  const authlib = pythonWith('authlib.integrations.requests_client, requests');
  it("Authlib's OAuth2Session: the whole flow without PKCE, scopes that guard, introspection, revocation", {
    skip: authlib.skip,
  }, async () => {
    const api = await createResourceServerClient(server);
    const seen = await run<SessionResult>(authlib.python, 'authlib_session.py', {
      ...(await registered()),
      apiId: api.client_id,
      apiSecret: api.client_secret,
    });
    assert.equal(seen.plain.scope, 'profile email');
    assert.equal(seen.plain.user.email, user.email);
    assert.deepEqual(seen.scoped.scope.split(' ').sort(), ['api', 'email', 'openid', 'profile']);
    assert.deepEqual(seen.scoped, {
      scope: seen.scoped.scope,
      id_token: true,
      me: { id: user.id, username: user.username },
      data: 200,
      restricted: 403,
    });
    assert.deepEqual([seen.guard, seen.refreshed, seen.revoked], [[200, 403], 200, [200, 401, 401]]);
  });

  it("Authlib's PrivateKeyJWT: a client's own token, and posts that a user writes", { skip: authlib.skip }, async () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    // Made by an operator: a client that registered itself gets no token of its own for these posts.
    const client = await server.createClient({
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [publicKey.export({ format: 'jwk' })] },
    });
    const seen = await run(authlib.python, 'authlib_private_key_jwt.py', {
      clientId: client.client_id,
      redirectUri,
      privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    });
    assert.deepEqual(seen, { own: 200, parts: 3, created: [201, user.id], changed: 'changed', deleted: 204, elsewhere: 401 });
  });

  const oauthlib = pythonWith('requests_oauthlib');
  it('requests-oauthlib never sees its scope shrink', { skip: oauthlib.skip }, async () => {
    const { seen } = await run<{ seen: { scope: string; user: { email: string } | number; userinfo: number }[] }>(
      oauthlib.python,
      'requests_oauthlib_session.py',
      await registered(),
    );
    const emails = seen.map((one) => (typeof one.user === 'number' ? one.user : one.user.email));
    assert.deepEqual(emails, [401, user.email, user.email]);
    assert.equal(seen[0]?.userinfo, 200, 'a token for the posts opens userinfo where openid was granted');
  });

  const social = pythonWith('social_core, jwt');
  it("social-auth-core's OpenIdConnectAuth has the details of the user", { skip: social.skip }, async () => {
    const seen = await run(social.python, 'social_auth.py', await registered());
    assert.deepEqual(seen, { uid: user.id, username: user.username, email: user.email, fullname: '홍길동' });
  });

  const mozilla = pythonWith('mozilla_django_oidc');
  it('mozilla-django-oidc makes a user with the e-mail', { skip: mozilla.skip }, async () => {
    const { emails } = await run<{ emails: string[] }>(mozilla.python, 'mozilla_django.py', await onLoopback('/oidc/callback/'));
    assert.deepEqual(emails, [user.email]);
  });

  const allauth = pythonWith('allauth.socialaccount.providers.openid_connect, jwt');
  it('django-allauth makes a user with the e-mail', { skip: allauth.skip }, async () => {
    const { emails } = await run<{ emails: string[] }>(
      allauth.python,
      'allauth_oidc.py',
      await onLoopback('/accounts/oidc/munjigi/login/callback/'),
    );
    assert.deepEqual(emails, [user.email]);
  });

  const mcp = pythonWith('mcp.client.auth, httpx2');
  it('the MCP SDK registers itself, calls the API, and refreshes', { skip: mcp.skip }, async () => {
    const seen = await run(mcp.python, 'mcp_sdk.py', { redirectUri });
    await forgetRegistrations(server);
    assert.deepEqual(seen, { statuses: [200, 200], scope: 'posts:read offline_access', refreshed: true });
  });
});
