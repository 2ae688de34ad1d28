import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { callApi, clientCredentials, introspect, obtainTokens } from '../support/flow.ts';
import { assertRefused } from '../support/refusals.ts';
import { askToRegister, METADATA, manage, register } from '../support/registration.ts';
import { countRows, unchanged } from '../support/storage.ts';

describe('Self-registration of a client (RFC 7591)', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  it('gives it an identifier, a secret and dates that the server chose', async () => {
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

  it('drops grant types that do not exist or that only an operator gives, and refuses a request without any other', async () => {
    for (const grant of [
      'password',
      'implicit',
      'urn:ietf:params:oauth:grant-type:token-exchange',
      'urn:openid:params:grant-type:ciba',
      'made-up',
    ]) {
      const client = await register(server, { grant_types: ['authorization_code', grant, 'refresh_token'] });
      assert.deepEqual(client['grant_types'], ['authorization_code', 'refresh_token'], grant);
      if (grant === 'implicit') continue;
      await unchanged(server, async () => {
        const body = await assertRefused(
          await askToRegister(server, { ...METADATA, grant_types: [grant] }),
          400,
          'invalid_client_metadata',
        );
        assert.match(String(body['error_description']), /^grant_types can only contain authorization_code, /);
      });
    }
  });

  it('turns a client of the implicit flow into one of the code flow, and says so', async () => {
    for (const said of [
      { grant_types: ['implicit'], response_types: ['id_token token'] },
      { grant_types: ['implicit'] },
      { grant_types: undefined, response_types: ['token'] },
      { grant_types: ['authorization_code', 'implicit'], response_types: ['code id_token', 'none'] },
    ]) {
      const client = await register(server, said);
      assert.deepEqual([client['grant_types'], client['response_types']], [['authorization_code'], ['code']], JSON.stringify(said));
    }
    await unchanged(server, async () =>
      assertRefused(await askToRegister(server, { grant_types: ['implicit'] }), 400, 'invalid_redirect_uri'),
    );
  });

  it('derives defaults from the grant types: a client without codes needs no redirect URI', async () => {
    const device = 'urn:ietf:params:oauth:grant-type:device_code';
    for (const grant_types of [['client_credentials'], [device, 'refresh_token']])
      for (const more of [{}, { response_types: [] }, { redirect_uris: [], response_types: ['code'] }, { redirect_uris: null }]) {
        const response = await askToRegister(server, { grant_types, ...more });
        const client = (await response.json()) as Record<string, unknown>;
        assert.equal(response.status, 201, JSON.stringify(client));
        assert.deepEqual([client['grant_types'], client['response_types'], client['redirect_uris']], [grant_types, [], []]);
      }
    const code = await register(server, { grant_types: ['refresh_token'] });
    assert.deepEqual(code['response_types'], ['code'], 'to have something to refresh');
    for (const grant_types of [['authorization_code', 'client_credentials'], [], undefined])
      await unchanged(server, async () => assertRefused(await askToRegister(server, { grant_types }), 400, 'invalid_redirect_uri'));
  });

  it('treats null, empty text and an empty list as absent, at registration and at an update', async () => {
    const members = ['client_uri', 'logo_uri', 'jwks', 'jwks_uri', 'scope', 'contacts', 'default_max_age', 'software_id', 'response_modes'];
    const more = ['application_type', 'token_endpoint_auth_method', 'grant_types', 'response_types', 'client_name#ko', 'policy_uri'];
    const plain = await register(server, { grant_types: undefined });
    for (const nothing of [null, '', []]) {
      const empty = Object.fromEntries([...members, ...more].map((member) => [member, nothing]));
      const client = await register(server, empty);
      for (const member of [...members, ...more]) assert.deepEqual(client[member], plain[member], `${member} ${JSON.stringify(nothing)}`);
      const updated = await manage(server, client, 'PUT', { ...METADATA, ...empty, client_id: client.client_id });
      const body = (await updated.json()) as Record<string, unknown>;
      assert.equal(updated.status, 200, JSON.stringify(body));
      for (const member of [...members, ...more]) assert.deepEqual(body[member], plain[member], `${member} ${JSON.stringify(nothing)}`);
    }
  });

  it('accepts scopes separated by any whitespace, drops unknown ones, and applies no limit if only unknown ones remain', async () => {
    for (const [scope, registered] of [
      [' openid \t profile\n\r\nemail openid', 'openid profile email'],
      ['openid mcp:read a\u0000b', 'openid'],
      [['openid', 'profile'], 'openid profile'],
      ['mcp:read mcp:write', undefined],
      [' ', undefined],
    ]) {
      const client = await register(server, { scope });
      assert.equal(client['scope'], registered, JSON.stringify(scope));
      const [row] = await server.sql(`select metadata->>'scope' as scope from client where id = $1`, [client.client_id]);
      assert.equal(row?.['scope'] ?? undefined, registered);
    }
    await unchanged(server, async () =>
      assertRefused(await askToRegister(server, { ...METADATA, scope: 1 }), 400, 'invalid_client_metadata'),
    );
  });

  it('drops other unknown values and members', async () => {
    const client = await register(server, {
      response_modes: ['query', 'web_message', 'jwt'],
      default_acr_values: ['urn:mace:incommon:iap:silver'],
      contacts: ['ops@walk.example', 'https://walk.example/contact'],
      token_endpoint_auth_signing_alg: 'RS256',
      backchannel_logout_uri: 'https://walk.example/out',
      frobnicate: { a: 1 },
    });
    assert.deepEqual(client['response_modes'], ['query']);
    assert.deepEqual(client['contacts'], ['ops@walk.example']);
    for (const member of ['default_acr_values', 'token_endpoint_auth_signing_alg', 'backchannel_logout_uri', 'frobnicate'])
      assert.equal(member in client, false, member);
  });

  it('refuses metadata that makes the client less secure than it declares', async () => {
    for (const wrong of [
      { token_endpoint_auth_method: 'client_secret_jwt' },
      { token_endpoint_auth_method: 'private_key_jwt' },
      { id_token_signed_response_alg: 'none' },
      { id_token_signed_response_alg: 'HS256' },
      { subject_type: 'pairwise' },
    ])
      await unchanged(server, async () =>
        assertRefused(await askToRegister(server, { ...METADATA, ...wrong }), 400, 'invalid_client_metadata'),
      );
  });

  it('cannot make it a resource server or a verified client', async () => {
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

  it('gives it own tokens without scope, which open nothing; asking for a scope is invalid_scope', async () => {
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

  it('accepts a name of a hundred characters at most, without deceptive ones', async () => {
    for (const client_name of ['x'.repeat(101), 'a\u202eb', 'a\u0000b', 'a\nb', 'a\ud800b', '\u200bGoogle', 1, {}, [1]])
      await unchanged(server, async () =>
        assertRefused(await askToRegister(server, { ...METADATA, client_name }), 400, 'invalid_client_metadata'),
      );
    await register(server, { client_name: '가'.repeat(100) });
  });

  it('refuses links that run code', async () => {
    for (const member of ['client_uri', 'logo_uri', 'policy_uri', 'tos_uri'])
      await unchanged(server, async () =>
        assertRefused(await askToRegister(server, { ...METADATA, [member]: 'javascript:alert(1)' }), 400, 'invalid_client_metadata'),
      );
  });

  it('refuses text that is no JSON object', async () => {
    for (const body of ['', '[]', 'null', '"x"', '1', '{', 'redirect_uris=x'])
      await unchanged(server, async () => assertRefused(await askToRegister(server, body), 400, 'invalid_request'));
    await unchanged(server, async () => {
      const form = await askToRegister(server, JSON.stringify(METADATA), { 'content-type': 'text/plain' });
      await assertRefused(form, 400, 'invalid_request');
    });
  });
});
