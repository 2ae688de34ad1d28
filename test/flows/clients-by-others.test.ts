import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { exportJWK, generateKeyPair } from 'jose';
import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { approve, callApi, createResourceServerClient } from '../support/flow.ts';
import { Person } from '../support/person.ts';

/** Libraries of other authors, used as documented. What they accept, other clients will accept too. */

const REDIRECT = 'https://client.example/callback';

let server: TestServer;
let person: { id: string; email: string; password: string; username: string };
before(async () => {
  server = await startTestServer();
  person = await server.createPerson();
});
after(() => server.close());

/** The redirect that a browser would follow, after sign-in and consent. */
async function walk(authorizationUrl: URL): Promise<URL> {
  const answer = await approve(server, new Person(server.issuer), person, authorizationUrl.pathname + authorizationUrl.search);
  return new URL(`${REDIRECT}?${answer}`);
}

describe('openid-client', () => {
  const insecure = { execute: [openid.allowInsecureRequests] };

  it('discovers the server, registers itself, signs a user in and reads userinfo', async () => {
    const metadata = { redirect_uris: [REDIRECT], grant_types: ['authorization_code', 'refresh_token'], client_name: 'openid-client' };
    const config = await openid.dynamicClientRegistration(new URL(server.issuer), metadata, undefined, insecure);
    const verifier = openid.randomPKCECodeVerifier();
    const [nonce, state] = [openid.randomNonce(), openid.randomState()];
    const url = openid.buildAuthorizationUrl(config, {
      redirect_uri: REDIRECT,
      scope: 'openid profile email',
      code_challenge: await openid.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      nonce,
      state,
    });
    const tokens = await openid.authorizationCodeGrant(config, await walk(url), {
      pkceCodeVerifier: verifier,
      expectedNonce: nonce,
      expectedState: state,
      idTokenExpected: true,
    });
    assert.equal(tokens.claims()?.sub, person.id);
    const userinfo = await openid.fetchUserInfo(config, tokens.access_token, person.id);
    assert.equal(userinfo.email, person.email);
    assert.equal(userinfo.preferred_username, person.username);

    const refreshed = await openid.refreshTokenGrant(config, tokens.refresh_token as string);
    assert.notEqual(refreshed.refresh_token, tokens.refresh_token);
    await openid.tokenRevocation(config, refreshed.access_token);
    assert.equal((await callApi(server, '/api/me', refreshed.access_token)).status, 401);
  });

  it('signs a user in without PKCE, as a confidential client with default settings', async () => {
    const metadata = { redirect_uris: [REDIRECT], client_name: 'openid-client' };
    const config = await openid.dynamicClientRegistration(new URL(server.issuer), metadata, undefined, insecure);
    const url = openid.buildAuthorizationUrl(config, { redirect_uri: REDIRECT, scope: 'openid profile' });
    const tokens = await openid.authorizationCodeGrant(config, await walk(url), { idTokenExpected: true });
    assert.equal(tokens.claims()?.sub, person.id);
  });

  it('introspects as a resource server, and gets its own token by client credentials', async () => {
    const client = await server.createClient();
    const api = await createResourceServerClient(server);
    const config = await openid.discovery(new URL(server.issuer), client.client_id, client.client_secret, undefined, insecure);
    const { access_token } = await openid.clientCredentialsGrant(config, { scope: 'api' });
    const asApi = await openid.discovery(new URL(server.issuer), api.client_id, api.client_secret, openid.ClientSecretBasic(), insecure);
    const seen = await openid.tokenIntrospection(asApi, access_token);
    assert.equal(seen.active, true);
    assert.equal(seen.scope, 'api');
    assert.equal((await callApi(server, '/api/data', access_token)).status, 200);
  });

  it('pushes its request (RFC 9126), and binds its tokens to a key (RFC 9449)', async () => {
    const client = await server.createClient();
    const config = await openid.discovery(new URL(server.issuer), client.client_id, client.client_secret, undefined, insecure);
    const verifier = openid.randomPKCECodeVerifier();
    const url = await openid.buildAuthorizationUrlWithPAR(config, {
      redirect_uri: REDIRECT,
      scope: 'openid',
      code_challenge: await openid.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    });
    assert.ok(url.searchParams.has('request_uri'));
    const DPoP = openid.getDPoPHandle(config, await openid.randomDPoPKeyPair('ES256'));
    const tokens = await openid.authorizationCodeGrant(config, await walk(url), { pkceCodeVerifier: verifier }, undefined, { DPoP });
    assert.equal(tokens.token_type, 'dpop');
    assert.equal((await openid.fetchUserInfo(config, tokens.access_token, person.id, { DPoP })).sub, person.id);
    await assert.rejects(openid.fetchUserInfo(config, tokens.access_token, person.id), 'without the key the token is worth nothing');
    assert.equal((await callApi(server, '/api/user', tokens.access_token)).status, 401);
  });
});

describe('oauth4webapi', () => {
  const options = { [oauth.allowInsecureRequests]: true };

  it('authenticates by private_key_jwt, and creates, changes and deletes posts with a JWT access token (RFC 7523, RFC 9068)', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
    const jwk = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256', use: 'sig' };
    const as = await oauth.processDiscoveryResponse(
      new URL(server.issuer),
      await oauth.discoveryRequest(new URL(server.issuer), { ...options, algorithm: 'oauth2' }),
    );
    const registration = await oauth.processDynamicClientRegistrationResponse(
      await oauth.dynamicClientRegistrationRequest(
        as,
        { redirect_uris: [REDIRECT], token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [jwk] } },
        options,
      ),
    );
    assert.equal(registration.client_secret, undefined);
    const client: oauth.Client = { client_id: registration.client_id };

    const resource = `${server.issuer}/api/posts`;
    const verifier = oauth.generateRandomCodeVerifier();
    const state = oauth.generateRandomState();
    const url = new URL(String(as.authorization_endpoint));
    url.search = new URLSearchParams({
      client_id: client.client_id,
      redirect_uri: REDIRECT,
      response_type: 'code',
      scope: 'posts:read posts:write',
      resource,
      state,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    }).toString();
    const parameters = oauth.validateAuthResponse(as, client, await walk(url), state);
    const response = await oauth.authorizationCodeGrantRequest(
      as,
      client,
      oauth.PrivateKeyJwt({ key: privateKey, kid: 'k1' }),
      parameters,
      REDIRECT,
      verifier,
      { ...options, additionalParameters: { resource } },
    );
    const { access_token } = await oauth.processAuthorizationCodeResponse(as, client, response);

    const write = (method: string, path: string, post?: object) =>
      callApi(server, `/api/posts${path}`, access_token, {
        method,
        ...(post ? { body: JSON.stringify(post), headers: { 'content-type': 'application/json' } } : {}),
      });
    const created = await write('POST', '', { title: '첫 글', body: '안녕하세요' });
    assert.equal(created.status, 201);
    const post = (await created.json()) as { id: string; author: string };
    assert.equal(post.author, person.id);
    const changed = await write('PUT', `/${post.id}`, { title: '고친 글', body: '안녕히 가세요' });
    assert.deepEqual(await changed.json(), { ...post, title: '고친 글', body: '안녕히 가세요' });
    assert.deepEqual(((await (await write('GET', '')).json()) as { posts: unknown[] }).posts, [
      { id: post.id, title: '고친 글', body: '안녕히 가세요', author: person.id },
    ]);

    // The same API checks the token as any standard resource server would.
    const claims = await oauth.validateJwtAccessToken(
      as,
      new Request(resource, { headers: { authorization: `Bearer ${access_token}` } }),
      resource,
      options,
    );
    assert.equal(claims.client_id, client.client_id);

    assert.equal((await write('DELETE', `/${post.id}`)).status, 204);
    assert.equal((await write('DELETE', `/${post.id}`)).status, 404);
  });

  it('signs a user in without PKCE, with a nonce and a secret', async () => {
    const { client_id, client_secret } = await server.createClient();
    const as = await oauth.processDiscoveryResponse(new URL(server.issuer), await oauth.discoveryRequest(new URL(server.issuer), options));
    const [client, state, nonce] = [{ client_id }, oauth.generateRandomState(), oauth.generateRandomNonce()];
    const url = new URL(String(as.authorization_endpoint));
    const query = { client_id, redirect_uri: REDIRECT, response_type: 'code', scope: 'openid email', state, nonce };
    url.search = new URLSearchParams(query).toString();
    const parameters = oauth.validateAuthResponse(as, client, await walk(url), state);
    const proof = oauth.ClientSecretBasic(client_secret);
    const response = await oauth.authorizationCodeGrantRequest(as, client, proof, parameters, REDIRECT, oauth.nopkce, options);
    const tokens = await oauth.processAuthorizationCodeResponse(as, client, response, { expectedNonce: nonce, requireIdToken: true });
    assert.equal(oauth.getValidatedIdTokenClaims(tokens)?.sub, person.id);
  });

  it("cannot change another user's post", async () => {
    const { obtainTokens } = await import('../support/flow.ts');
    const client = await server.createClient();
    const parameters = { scope: 'posts:read posts:write', resource: `${server.issuer}/api/posts` };
    const tokenOf = async (who: { email: string; password: string }) => (await obtainTokens(server, client, who, parameters)).access_token;
    const [author, other] = [await tokenOf(person), await tokenOf(await server.createPerson())];
    const body = (title: string) => ({ body: JSON.stringify({ title, body: 'b' }), headers: { 'content-type': 'application/json' } });
    const { id } = (await (await callApi(server, '/api/posts', author, { method: 'POST', ...body('mine') })).json()) as { id: string };
    for (const init of [{ method: 'PUT', ...body('stolen') }, { method: 'DELETE' }]) {
      assert.equal((await callApi(server, `/api/posts/${id}`, other, init)).status, 403);
    }
    assert.deepEqual(await server.sql('select title from post where id = $1', [id]), [{ title: 'mine' }]);
  });
});
