import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { callApi, clientCredentials, createResourceServerClient, introspect, obtainTokens } from '../support/flow.ts';
import { assertRefused } from '../support/refusals.ts';
import { askToRegister, METADATA, manage, register } from '../support/registration.ts';
import { countRows, unchanged } from '../support/storage.ts';

/** Redirect URIs that no client may register, and why not. */
const REFUSED: Record<string, string[]> = {
  'plain http': [
    'http://walk.example/cb',
    'HTTP://walk.example/cb',
    'http://127.0.0.1.evil.example/cb',
    'http://localhost.evil.example/cb',
  ],
  'a scheme that runs code or opens files': [
    'javascript:alert(1)',
    'JaVaScRiPt:alert(1)',
    'java\tscript:alert(1)',
    ' javascript:alert(1)',
    '\u0001javascript:alert(1)',
    'data:text/html,x',
    'vbscript:x',
    'file:///etc/passwd',
    'blob:https://walk.example/x',
    'about:blank',
    'view-source:https://walk.example/',
    'ws://walk.example/',
    'mailto:a@walk.example',
  ],
  'line breaks and other controls': [
    'https://walk.example/cb\r\nSet-Cookie: a=b',
    'https://walk.example/\tcb',
    'https://walk.example/\u0000',
    'https://walk.example/cb ',
  ],
  'a fragment': ['https://walk.example/cb#', 'https://walk.example/cb#x', 'com.example.walk:/cb#x'],
  'a user name or password': [
    'https://user@walk.example/cb',
    'https://user:pw@walk.example/cb',
    'https://@walk.example/cb',
    'https://walk.example@evil.example/cb',
  ],
  'a wildcard': ['https://*.walk.example/cb', 'https://walk.example/*', '*'],
  'a backslash': ['https://walk.example\\cb', 'https:\\\\walk.example/cb', 'https://evil.example\\@walk.example/cb'],
  'dot segments': [
    'https://walk.example/a/../cb',
    'https://walk.example/./cb',
    'https://walk.example/%2e%2e/cb',
    'https://walk.example/..;/cb',
    'https://walk.example/..',
  ],
  'a host that is not ASCII': ['https://wälk.example/cb', 'https://산책.example/cb', 'https://walk。example/cb'],
  'no absolute address': [
    '/cb',
    '//walk.example/cb',
    'walk.example/cb',
    '',
    'https://',
    'https:///cb',
    'https:walk.example/cb',
    'https:/walk.example/cb',
  ],
};

describe('Redirect URIs at registration (RFC 7591 section 5, RFC 8252 section 7)', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  const refused = (metadata: Record<string, unknown>) =>
    unchanged(server, async () => {
      const response = await askToRegister(server, { ...METADATA, ...metadata });
      const { error } = (await response.json()) as { error: string };
      assert.equal(response.status, 400, JSON.stringify(metadata));
      assert.match(error, /^invalid_(client_metadata|redirect_uri)$/);
    });

  for (const [what, uris] of Object.entries(REFUSED)) {
    it(`${what} is refused, for web and native apps, alone and beside a good one`, async () => {
      for (const uri of uris)
        for (const application_type of ['web', 'native']) {
          await refused({ redirect_uris: [uri], application_type });
          await refused({
            redirect_uris: [application_type === 'web' ? 'https://walk.example/cb' : 'com.example.walk:/cb', uri],
            application_type,
          });
        }
    });
  }

  it("a scheme of one's own has a dot, and belongs to native apps (RFC 8252 section 7.1)", async () => {
    await refused({ redirect_uris: ['walk:/cb'], application_type: 'native' });
    await refused({ redirect_uris: ['com.example.walk:/cb'], application_type: 'web' });
    assert.equal(
      (await register(server, { redirect_uris: ['com.example.walk:/cb'], application_type: 'native' }))['application_type'],
      'native',
    );
  });

  it('loopback is for native apps alone (RFC 8252 section 7.3)', async () => {
    for (const uri of ['http://127.0.0.1/cb', 'http://localhost:8080/cb', 'http://[::1]/cb']) {
      await refused({ redirect_uris: [uri], application_type: 'web' });
      await register(server, { redirect_uris: [uri], application_type: 'native' });
    }
    await refused({ redirect_uris: ['http://127.0.0.2/cb'], application_type: 'native' });
    await refused({ redirect_uris: ['http://192.168.0.1/cb'], application_type: 'native' });
  });

  it('a client that leads to an app on a device and says nothing else is native', async () => {
    for (const redirect_uris of [['http://127.0.0.1/cb'], ['http://localhost:1234/cb', 'com.example.walk:/cb']])
      assert.equal((await register(server, { redirect_uris }))['application_type'], 'native');
    assert.equal((await register(server))['application_type'], 'web');
    await refused({ redirect_uris: ['http://127.0.0.1/cb', 'https://walk.example/cb'] });
  });

  it('where to go after signing out is judged alike', async () => {
    for (const uri of ['javascript:alert(1)', 'http://walk.example/', 'https://walk.example/#x', 'https://u@walk.example/'])
      await refused({ post_logout_redirect_uris: [uri] });
    await register(server, { post_logout_redirect_uris: ['https://walk.example/bye'] });
  });

  it('there are ten at most, of two thousand characters at most, and they are text', async () => {
    const many = (count: number) => Array.from({ length: count }, (_, index) => `https://walk.example/${index}`);
    await refused({ redirect_uris: many(11) });
    await register(server, { redirect_uris: many(10) });
    await refused({ redirect_uris: [`https://walk.example/${'x'.repeat(2_000)}`] });
    for (const redirect_uris of ['https://walk.example/cb', [1], [null], [['https://walk.example/cb']], {}, null, []])
      await refused({ redirect_uris });
  });

  it('an update is judged like a registration (RFC 7592 section 2.2)', async () => {
    const client = await register(server);
    for (const uri of ['http://walk.example/cb', 'javascript:alert(1)', 'https://walk.example/*'])
      await unchanged(server, async () => {
        const response = await manage(server, client, 'PUT', { ...METADATA, client_id: client.client_id, redirect_uris: [uri] });
        assert.equal(response.status, 400, uri);
      });
  });
});

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

  it('a token of its own has no scope, whatever it asks for, and opens nothing', async () => {
    const client = await register(server, { scope: 'openid profile api restricted posts:read posts:write' });
    const token = await clientCredentials(server, client, 'api restricted profile');
    assert.equal(token.scope, undefined);
    assert.equal((await introspect(server, client, token.access_token))['scope'], undefined);
    for (const path of ['/api/data', '/api/restricted', '/api/me', '/api/user'])
      assert.equal((await callApi(server, path, token.access_token)).status, 403, path);

    const resource = `${server.issuer}/api/posts`;
    const response = await fetch(`${server.issuer}/oauth/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: client.client_id,
        client_secret: client.client_secret,
        scope: 'posts:read posts:write',
        resource,
      }),
    });
    assert.equal(response.status, 200);
    const { access_token } = (await response.json()) as { access_token: string };
    assert.equal((await callApi(server, '/api/posts', access_token)).status, 403);
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

describe('A client that deletes itself (RFC 7592 section 2.3)', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  it('takes its grants, tokens, codes, secrets and registration with it, and leaves others alone', async () => {
    const [client, neighbour, resourceServer] = [await register(server), await register(server), await createResourceServerClient(server)];
    const person = await server.createPerson();
    const tokens = await obtainTokens(server, client, person);
    const theirs = await obtainTokens(server, neighbour, person);

    assert.equal((await manage(server, client, 'DELETE')).status, 204);

    for (const token of [tokens.access_token, String(tokens.refresh_token)])
      assert.deepEqual(await introspect(server, resourceServer, token), { active: false });
    assert.equal((await callApi(server, '/api/me', tokens.access_token)).status, 401);
    assert.equal(await countRows(server, 'client where id = $1', [client.client_id]), 0);
    for (const table of ['grant_record', 'token', 'authorization_code', 'client_secret', 'protocol_record'])
      assert.equal(await countRows(server, `${table} where client_id = $1`, [client.client_id]), 0, table);
    await assertRefused(await manage(server, client, 'GET'), 401, 'invalid_token');
    assert.equal((await callApi(server, '/api/me', theirs.access_token)).status, 200);
    assert.equal((await manage(server, neighbour, 'GET')).status, 200);
  });

  it("needs its own registration access token: another client's does not do", async () => {
    const [client, other] = [await register(server), await register(server)];
    const stolen = { ...client, registration_access_token: other.registration_access_token };
    await assertRefused(await manage(server, stolen, 'DELETE'), 401, 'invalid_token');
    await assertRefused(await manage(server, { ...client, registration_access_token: 'made-up' }, 'DELETE'), 401, 'invalid_token');
    assert.equal((await fetch(client.registration_client_uri, { method: 'DELETE' })).status, 401);
    assert.equal((await manage(server, client, 'GET')).status, 200);
  });
});
