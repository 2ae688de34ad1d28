import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { callApi, clientCredentials, introspect, obtainTokens } from '../support/flow.ts';
import { assertRefused } from '../support/refusals.ts';
import { askToRegister, METADATA, manage, register } from '../support/registration.ts';
import { countRows, unchanged } from '../support/storage.ts';

describe('What a client may make of itself (RFC 7591)', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  it('identifier, secret and dates are chosen by the server', async () => {
    const mine = {
      client_id: 'munjigi-resource-api',
      client_secret: 'mine',
      client_id_issued_at: 1,
      client_secret_expires_at: 1,
      registration_access_token: 'mine',
      registration_client_uri: 'https://evil.example/',
    };
    const client = await register(server, mine);
    for (const [member, value] of Object.entries(mine)) assert.notEqual(client[member], value, member);
    assert.equal(client['client_secret_expires_at'], 0);
    assert.equal(client.registration_client_uri, `${server.issuer}/oauth/register/${client.client_id}`);
    assert.equal(await countRows(server, `client where id = 'munjigi-resource-api'`), 1);
  });

  it('grants that nobody may take alone are refused', async () => {
    for (const grant of [
      'password',
      'implicit',
      'urn:ietf:params:oauth:grant-type:token-exchange',
      'urn:openid:params:grant-type:ciba',
      'made-up',
    ])
      await unchanged(server, async () => {
        const response = await askToRegister(server, { ...METADATA, grant_types: ['authorization_code', grant] });
        await assertRefused(response, 400, 'invalid_client_metadata');
      });
  });

  it('response types other than code, and scopes nobody knows, are refused', async () => {
    for (const wrong of [
      { response_types: ['token'] },
      { response_types: ['code id_token'] },
      { scope: 'admin' },
      { token_endpoint_auth_method: 'client_secret_jwt' },
      { id_token_signed_response_alg: 'none' },
      { id_token_signed_response_alg: 'HS256' },
    ])
      await unchanged(server, async () =>
        assertRefused(await askToRegister(server, { ...METADATA, ...wrong }), 400, 'invalid_client_metadata'),
      );
  });

  it('it does not become a resource server, and stays unvouched for, whatever it says', async () => {
    const client = await register(server, { introspects: server.issuer, dynamically_registered: false, subject_type: 'public' });
    const [row] = await server.sql('select registration, introspects, metadata::text from client where id = $1', [client.client_id]);
    assert.equal(row?.['registration'], 'dynamic');
    assert.equal(row?.['introspects'], null);
    assert.doesNotMatch(String(row?.['metadata']), /introspects|dynamically_registered/);

    const updated = await manage(server, client, 'PUT', {
      ...METADATA,
      client_id: client.client_id,
      introspects: server.issuer,
      dynamically_registered: false,
    });
    assert.equal(updated.status, 200);
    const [after] = await server.sql('select registration, introspects from client where id = $1', [client.client_id]);
    assert.deepEqual(after, { registration: 'dynamic', introspects: null });

    const other = await server.createClient();
    const tokens = await obtainTokens(server, other, await server.createPerson());
    assert.deepEqual(await introspect(server, client, tokens.access_token), { active: false });
  });

  it('a token of its own has no scope, and opens nothing; asking for one is invalid_scope', async () => {
    const client = await register(server, { scope: 'openid profile api restricted posts:read posts:write' });
    const token = await clientCredentials(server, client);
    assert.equal(token.scope, undefined);
    assert.equal((await introspect(server, client, token.access_token))['scope'], undefined);
    for (const path of ['/api/data', '/api/restricted', '/api/me', '/api/user'])
      assert.equal((await callApi(server, path, token.access_token)).status, 403, path);

    const before = await server.sql('select count(*) from token');
    for (const asked of [{ scope: 'api restricted profile' }, { scope: 'posts:read', resource: `${server.issuer}/api/posts` }]) {
      const { client_id, client_secret } = client;
      const body = new URLSearchParams({ grant_type: 'client_credentials', client_id, client_secret, ...asked } as Record<string, string>);
      const response = await fetch(`${server.issuer}/oauth/token`, { method: 'POST', body });
      const answer = (await response.json()) as { error?: string; error_description?: string };
      assert.deepEqual([response.status, answer.error], [400, 'invalid_scope'], asked.scope);
      assert.match(String(answer.error_description), /acts for itself/);
    }
    assert.deepEqual(await server.sql('select count(*) from token'), before);
  });

  it('its name has a hundred characters at most and none that deceive', async () => {
    for (const client_name of ['x'.repeat(101), 'a\u202eb', 'a\u0000b', 'a\nb', 'a\ud800b', '\u200bGoogle', 1, {}, []])
      await unchanged(server, async () =>
        assertRefused(await askToRegister(server, { ...METADATA, client_name }), 400, 'invalid_client_metadata'),
      );
    await register(server, { client_name: '가'.repeat(100) });
  });

  it('links that run code are refused', async () => {
    for (const member of ['client_uri', 'logo_uri', 'policy_uri', 'tos_uri'])
      await unchanged(server, async () =>
        assertRefused(await askToRegister(server, { ...METADATA, [member]: 'javascript:alert(1)' }), 400, 'invalid_client_metadata'),
      );
  });

  it('what is no JSON object is refused', async () => {
    for (const body of ['', '[]', 'null', '"x"', '1', '{', 'redirect_uris=x'])
      await unchanged(server, async () => assertRefused(await askToRegister(server, body), 400, 'invalid_request'));
    await unchanged(server, async () => {
      const form = await askToRegister(server, JSON.stringify(METADATA), { 'content-type': 'text/plain' });
      await assertRefused(form, 400, 'invalid_request');
    });
  });
});
