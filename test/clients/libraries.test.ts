import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { auth, type OAuthClientProvider } from '@modelcontextprotocol/sdk/client/auth.js';
import type { OAuthClientInformationMixed, OAuthTokens } from '@modelcontextprotocol/sdk/shared/auth.js';
import * as oauth from 'oauth4webapi';
import { freePort, REDIRECT_URI, startTestServer, type TestServer } from '../support/environment.ts';
import { callApi, introspect } from '../support/flow.ts';
import { forgetRegistrations, register } from '../support/registration.ts';
import { Visitor } from '../support/visitor.ts';
import { appAuth } from './apps/appauth.mjs';
import { openidClient5 } from './apps/openid-client-5.mjs';
import { codeGrant, ownToken } from './apps/simple-oauth2.mjs';

/** Client libraries without a framework, each with its defaults and a user who only signs in and presses Allow. */

const redirectUri = REDIRECT_URI;

let server: TestServer;
let user: { id: string; email: string; password: string; username: string };
before(async () => {
  server = await startTestServer();
  user = await server.createPerson();
});
after(() => server.close());

/** @returns the address at the client that the user's browser is sent to. */
const walk = async (address: string | URL) =>
  (await new Visitor(server.issuer, { email: user.email, password: user.password }).visit(String(address))).url.href;

async function settings(metadata: Record<string, unknown> = {}) {
  const client = await register(server, {
    redirect_uris: [redirectUri],
    grant_types: ['authorization_code', 'refresh_token'],
    ...metadata,
  });
  return { issuer: server.issuer, clientId: client.client_id, clientSecret: client.client_secret, redirectUri, walk };
}

describe('openid-client and oauth4webapi', () => {
  it('(openid-client 5) signs in without PKCE, reads userinfo, refreshes, introspects and revokes', async () => {
    const own = await settings();
    const seen = await openidClient5({ ...own, scope: 'openid profile email' });
    assert.deepEqual([seen.claims.sub, seen.claims.email, seen.userinfo.email], [user.id, user.email, user.email]);
    assert.equal(seen.introspected.active, true);
    assert.equal((await callApi(server, '/api/me', String(seen.refreshed?.access_token))).status, 401);
    assert.equal((await openidClient5(own)).claims.sub, user.id, 'its own default is the scope openid');
  });

  it('(oauth4webapi) signs in without PKCE, and names no scope', async () => {
    const options = { [oauth.allowInsecureRequests]: true };
    const own = await settings();
    const issuer = new URL(server.issuer);
    const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, options));
    const client = { client_id: own.clientId };
    const url = new URL(String(as.authorization_endpoint));
    url.search = new URLSearchParams({ client_id: own.clientId, redirect_uri: redirectUri, response_type: 'code' }).toString();
    const answer = oauth.validateAuthResponse(as, client, new URL(await walk(url)));
    const response = await oauth.authorizationCodeGrantRequest(
      as,
      client,
      oauth.ClientSecretBasic(own.clientSecret),
      answer,
      redirectUri,
      oauth.nopkce,
      options,
    );
    const tokens = await oauth.processAuthorizationCodeResponse(as, client, response);
    assert.equal(tokens.scope, 'profile email');
    assert.equal(((await (await callApi(server, '/api/user', tokens.access_token)).json()) as { email: string }).email, user.email);
  });
});

describe('simple-oauth2', () => {
  it('signs in with and without a scope, refreshes and revokes', async () => {
    for (const [scope, granted] of [
      [undefined, 'profile email'],
      ['openid email', 'openid email'],
    ] as const) {
      const own = await settings();
      const first = await codeGrant({ ...own, scope });
      assert.equal(
        (
          await introspect(
            server,
            { client_id: own.clientId, client_secret: own.clientSecret, redirect_uri: redirectUri },
            first.token.access_token,
          )
        )['scope'],
        granted,
      );
      const next = await first.refresh();
      assert.equal((await callApi(server, '/api/user', next.token.access_token)).status, 200);
      await next.revokeAll();
      assert.equal((await callApi(server, '/api/user', next.token.access_token)).status, 401);
    }
  });

  it('gets a token of its own', async () => {
    const client = await server.createClient();
    const { token } = await ownToken({
      issuer: server.issuer,
      clientId: client.client_id,
      clientSecret: client.client_secret,
      scope: 'api',
    });
    assert.equal((await callApi(server, '/api/data', token.access_token)).status, 200);
  });
});

describe('AppAuth for Node', () => {
  it('signs in as a public client on loopback, and refreshes', async () => {
    const port = await freePort();
    const own = await settings({
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      redirect_uris: ['http://127.0.0.1'],
    });
    const { tokens, refreshed } = await appAuth({ ...own, port, scope: 'openid profile email offline_access', openBrowser: walk });
    const userinfo = await fetch(`${server.issuer}/oauth/userinfo`, { headers: { authorization: `Bearer ${tokens.accessToken}` } });
    assert.equal(((await userinfo.json()) as { email: string }).email, user.email);
    assert.notEqual(refreshed.accessToken, tokens.accessToken);
  });
});

/** Keeps what an MCP client keeps, in memory. */
class McpClient implements OAuthClientProvider {
  readonly redirectUrl = 'http://localhost:33418/callback';
  readonly clientMetadata = {
    client_name: 'MCP test',
    redirect_uris: [this.redirectUrl],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
  };
  information: OAuthClientInformationMixed | undefined;
  current: OAuthTokens | undefined;
  verifier = '';
  sentTo: URL | undefined;
  clientInformation = () => this.information;
  saveClientInformation = (information: OAuthClientInformationMixed): void => {
    this.information = information;
  };
  tokens = () => this.current;
  saveTokens = (tokens: OAuthTokens): void => {
    this.current = tokens;
  };
  redirectToAuthorization = (url: URL): void => {
    this.sentTo = url;
  };
  saveCodeVerifier = (verifier: string): void => {
    this.verifier = verifier;
  };
  codeVerifier = () => this.verifier;
}

describe('MCP SDK', () => {
  it('finds the server by its API, registers itself, gets a token for the API, and refreshes', async () => {
    const provider = new McpClient();
    const serverUrl = `${server.issuer}/api/posts`;
    assert.equal(await auth(provider, { serverUrl }), 'REDIRECT');
    // Nobody listens there: the code is read off the address, as a command-line client lets its user paste it.
    const visitor = new Visitor(server.issuer, { email: user.email, password: user.password });
    const answer = await visitor.answerTo(String(provider.sentTo));
    assert.equal(await auth(provider, { serverUrl, authorizationCode: String(answer.searchParams.get('code')) }), 'AUTHORIZED');
    const first = String(provider.current?.access_token);
    assert.equal((await callApi(server, '/api/posts', first)).status, 200);
    const post = { method: 'POST', body: JSON.stringify({ title: 'MCP' }), headers: { 'content-type': 'application/json' } };
    assert.equal((await callApi(server, '/api/posts', first, post)).status, 201);
    assert.equal(await auth(provider, { serverUrl }), 'AUTHORIZED', 'by the refresh token');
    assert.notEqual(provider.current?.access_token, first);
    assert.equal((await callApi(server, '/api/posts', String(provider.current?.access_token))).status, 200);
    await forgetRegistrations(server);
  });
});
