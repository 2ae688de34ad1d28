import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';

describe('Metadata (OIDC Discovery, RFC 8414, RFC 9728)', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  const document = async (path: string) => {
    const response = await fetch(server.issuer + path);
    assert.equal(response.status, 200, path);
    assert.match(String(response.headers.get('content-type')), /^application\/(jwk-set\+)?json/);
    return (await response.json()) as Record<string, unknown>;
  };
  const at = (path: string) => server.issuer + path;

  it('is equal in discovery and RFC 8414, with every endpoint where it was promised', async () => {
    const discovery = await document('/.well-known/openid-configuration');
    assert.deepEqual(await document('/.well-known/oauth-authorization-server'), discovery);
    const promised = {
      issuer: server.issuer,
      authorization_endpoint: at('/oauth/authorize'),
      token_endpoint: at('/oauth/token'),
      introspection_endpoint: at('/oauth/introspect'),
      revocation_endpoint: at('/oauth/revoke'),
      registration_endpoint: at('/oauth/register'),
      userinfo_endpoint: at('/oauth/userinfo'),
      jwks_uri: at('/oauth/jwks'),
      pushed_authorization_request_endpoint: at('/oauth/par'),
      device_authorization_endpoint: at('/oauth/device_authorization'),
      end_session_endpoint: at('/oauth/logout'),
    };
    for (const [name, value] of Object.entries(promised)) assert.equal(discovery[name], value, name);
  });

  it('offers no more than the server does', async () => {
    const metadata = await document('/.well-known/oauth-authorization-server');
    assert.deepEqual(metadata['response_types_supported'], ['code']);
    assert.deepEqual(metadata['code_challenge_methods_supported'], ['S256']);
    assert.deepEqual((metadata['grant_types_supported'] as string[]).toSorted(), [
      'authorization_code',
      'client_credentials',
      'refresh_token',
      'urn:ietf:params:oauth:grant-type:device_code',
      'urn:ietf:params:oauth:grant-type:token-exchange',
    ]);
    assert.equal(metadata['authorization_response_iss_parameter_supported'], true);
    assert.deepEqual((metadata['token_endpoint_auth_methods_supported'] as string[]).toSorted(), [
      'client_secret_basic',
      'client_secret_post',
      'none',
      'private_key_jwt',
    ]);
    for (const [name, value] of Object.entries(metadata))
      if (name.endsWith('_alg_values_supported'))
        for (const algorithm of value as string[])
          assert.doesNotMatch(algorithm, /^(none|HS\d+|A\d+(GCM)?KW|dir|PBES2.*)$/, `${name} ${algorithm}`);
    assert.deepEqual(metadata['ui_locales_supported'], ['ko', 'en']);
  });

  it('lists every scope of every resource server', async () => {
    const { scopes_supported: scopes } = (await document('/.well-known/openid-configuration')) as { scopes_supported: string[] };
    for (const scope of ['openid', 'profile', 'email', 'offline_access', 'api', 'restricted', 'posts:read', 'posts:write'])
      assert(scopes.includes(scope), scope);
  });

  it('has public keys only, each with an id and an algorithm', async () => {
    const { keys } = (await document('/oauth/jwks')) as { keys: Record<string, unknown>[] };
    assert(keys.length > 0);
    for (const key of keys) {
      assert(key['kid'] && key['alg'] && key['use'] === 'sig');
      for (const secret of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']) assert.equal(key[secret], undefined, secret);
    }
  });

  it('describes each protected resource, its authorization server, and how to send the token (RFC 9728 section 2)', async () => {
    const own = await document('/.well-known/oauth-protected-resource');
    assert.equal(own['resource'], server.issuer);
    assert.deepEqual(own['authorization_servers'], [server.issuer]);
    assert.deepEqual(own['bearer_methods_supported'], ['header']);
    // The path of the resource follows the well-known part (RFC 9728 section 3.1).
    const posts = await document('/.well-known/oauth-protected-resource/api/posts');
    assert.equal(posts['resource'], at('/api/posts'));
    assert.deepEqual(posts['authorization_servers'], [server.issuer]);
    assert.deepEqual(posts['scopes_supported'], ['posts:read', 'posts:write']);
  });

  it('is readable by pages of any origin', async () => {
    for (const path of ['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server', '/oauth/jwks']) {
      const response = await fetch(server.issuer + path, { headers: { origin: 'https://app.example' } });
      assert.match(String(response.headers.get('access-control-allow-origin')), /^(\*|https:\/\/app\.example)$/, path);
    }
  });
});
