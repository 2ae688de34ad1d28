import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { authorizePath, callApi, createResourceServerClient, introspect, obtainTokens, pkce, post } from '../support/flow.ts';
import { assertRefused, assertRefusedHere } from '../support/refusals.ts';
import { METADATA, manage, type RegisteredClient, register } from '../support/registration.ts';
import { countRows, unchanged } from '../support/storage.ts';

describe('Client secrets, stored as digests (RFC 7592 section 3)', () => {
  let server: TestServer;
  let client: RegisteredClient;
  before(async () => {
    server = await startTestServer();
    client = await register(server);
  });
  after(() => server.close());

  /** What the library holds instead of the secret. */
  const handle = async () => {
    const [row] = await server.sql(`select encode(digest, 'hex') as digest from client_secret where client_id = $1`, [client.client_id]);
    return `sha256:${row?.['digest']}`;
  };
  const update = async (more: Record<string, unknown> = {}) => {
    const response = await manage(server, client, 'PUT', { ...METADATA, client_id: client.client_id, ...more });
    const body = (await response.json()) as Record<string, unknown>;
    if (response.status === 200) client = { ...client, registration_access_token: String(body['registration_access_token']) };
    return { status: response.status, body };
  };
  const assertSecretless = async (body: Record<string, unknown>) => {
    assert.equal('client_secret' in body, false);
    assert.equal('client_secret_expires_at' in body, false);
    assert.doesNotMatch(JSON.stringify(body), /sha256:/);
    assert(!JSON.stringify(body).includes(client.client_secret));
  };
  const works = async (secret: string) =>
    (await post(server, '/oauth/token', { ...client, client_secret: secret }, { grant_type: 'client_credentials' })).status === 200;

  it('are shown once at registration, and work', async () => {
    assert.match(client.client_secret, /^[\w-]{43,}$/);
    assert.equal(await works(client.client_secret), true);
  });

  it('are never shown by reading the registration, nor are their digests', async () => {
    const response = await manage(server, client, 'GET');
    assert.equal(response.status, 200);
    assert.match(String(response.headers.get('cache-control')), /no-store/);
    const body = (await response.json()) as Record<string, unknown>;
    assert.equal(body['client_id'], client.client_id);
    await assertSecretless(body);
  });

  it('are never shown at another spelling of the address, which also accepts no authentication', async () => {
    const headers = { authorization: `Bearer ${client.registration_access_token}`, 'content-type': 'application/json' };
    const body = JSON.stringify({ ...METADATA, client_id: client.client_id, client_secret: await handle() });
    for (const address of [`/oauth/Register/${client.client_id}`, `/oauth/register/${client.client_id}/`])
      for (const init of [{ headers }, { method: 'PUT', headers, body }])
        assert.equal((await unchanged(server, () => fetch(server.issuer + address, init))).status, 404);
  });

  it('are preserved by an update without the secret, which shows neither', async () => {
    const { status, body } = await update({ client_name: 'Stroll' });
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal(body['client_name'], 'Stroll');
    await assertSecretless(body);
    assert.equal(await works(client.client_secret), true);
    assert.equal(await countRows(server, 'client_secret where client_id = $1', [client.client_id]), 1);
  });

  it('may be repeated in an update; a wrong one is refused', async () => {
    const right = await update({ client_secret: client.client_secret });
    assert.equal(right.status, 200, JSON.stringify(right.body));
    await assertSecretless(right.body);
    for (const client_secret of ['guess', 1, {}, [client.client_secret], `${client.client_secret}x`])
      assert.equal((await unchanged(server, () => update({ client_secret }))).status, 400, JSON.stringify(client_secret));
    for (const client_secret of ['', null]) assert.equal((await update({ client_secret })).status, 200, 'it says nothing of a secret');
    assert.equal(await works(client.client_secret), true);
  });

  it('cannot be replaced by their digest at the token endpoint or in an update', async () => {
    const stored = await handle();
    await unchanged(server, async () => {
      for (const value of [stored, stored.slice('sha256:'.length), `${stored},${stored}`]) {
        assert.equal(await works(value), false);
        const inForm = await post(server, '/oauth/token', undefined, {
          grant_type: 'client_credentials',
          client_id: client.client_id,
          client_secret: value,
        });
        await assertRefused(inForm, 401, 'invalid_client');
        assert.equal((await update({ client_secret: value })).status, 400);
      }
    });
  });

  it('do not change when an update replaces the registration access token and ends the earlier one', async () => {
    const { registration_access_token: before } = client;
    assert.equal((await update()).status, 200);
    assert.notEqual(client.registration_access_token, before);
    const old = await unchanged(server, () => manage(server, { ...client, registration_access_token: before }, 'GET'));
    await assertRefused(old, 401, 'invalid_token');
    assert.equal((await manage(server, client, 'GET')).status, 200);
  });

  it('are shown once to a client that changes from a key to a secret', async () => {
    const keyless = await register(server, { token_endpoint_auth_method: 'none', grant_types: ['authorization_code'] });
    assert.equal('client_secret' in keyless, false);
    const response = await manage(server, keyless, 'PUT', { ...METADATA, client_id: keyless.client_id });
    const body = (await response.json()) as RegisteredClient;
    assert.match(body.client_secret, /^[\w-]{43,}$/);
    assert.equal((await post(server, '/oauth/token', { ...body, redirect_uri: '' }, { grant_type: 'client_credentials' })).status, 200);
    const read = (await (await manage(server, body, 'GET')).json()) as Record<string, unknown>;
    assert.equal('client_secret' in read, false);
  });

  it('are deleted when a client changes from a secret to a key', async () => {
    const secretive = await register(server);
    const count = () => server.sql('select 1 from client_secret where client_id = $1', [secretive.client_id]);
    assert.equal((await count()).length, 1);
    const metadata = {
      ...METADATA,
      client_id: secretive.client_id,
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code'],
    };
    const response = await manage(server, secretive, 'PUT', metadata);
    assert.equal(response.status, 200);
    assert.equal('client_secret' in ((await response.json()) as object), false);
    assert.equal((await count()).length, 0);
  });

  it('and other server-chosen members may not be in an update, nor another identifier (RFC 7592 section 2.2)', async () => {
    for (const member of ['registration_access_token', 'registration_client_uri', 'client_secret_expires_at', 'client_id_issued_at'])
      assert.equal((await unchanged(server, () => update({ [member]: 'x' }))).status, 400, member);
    const other = await register(server);
    assert.equal((await unchanged(server, () => update({ client_id: other.client_id }))).status, 400);
  });
});

describe('A client that deletes itself (RFC 7592 section 2.3)', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  it("ends its grants, tokens, codes, secrets and registration, and no other client's", async () => {
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

  it('is invalid_client like an unknown one, and its users get a page in their language', async () => {
    const gone = await register(server, { client_name: 'Gone', token_endpoint_auth_method: 'client_secret_post' });
    const held = await obtainTokens(server, { ...gone, client_secret: gone.client_secret }, await server.createPerson(), {
      scope: 'openid',
    });
    assert.equal((await manage(server, gone, 'DELETE')).status, 204);
    for (const { client_id, client_secret } of [gone, { client_id: 'nobody', client_secret: 'x' }]) {
      const client = { client_id, client_secret, redirect_uri: gone.redirect_uri };
      const forms: Record<string, string>[] = [
        { grant_type: 'client_credentials' },
        { grant_type: 'refresh_token', refresh_token: String(held.refresh_token ?? held.access_token) },
      ];
      for (const form of forms)
        await unchanged(server, async () => {
          await assertRefused(await post(server, '/oauth/token', client, form), 401, 'invalid_client');
          const inForm = { ...form, client_id, client_secret };
          await assertRefused(await post(server, '/oauth/token', undefined, inForm), 401, 'invalid_client');
        });
      for (const [language, title] of Object.entries({ ko: '등록되지 않은 앱이에요', en: 'This app is not registered' })) {
        const path = authorizePath(client, { ...pkce(), code_verifier: undefined });
        const init = { headers: { accept: 'text/html', 'accept-language': language }, redirect: 'manual' } as const;
        const page = await assertRefusedHere(await unchanged(server, () => fetch(server.issuer + path, init)));
        assert(page.includes(`<h1>${title}</h1>`), page);
        assert(!page.includes('Gone'));
      }
    }
  });

  it("needs its own registration access token: another client's is refused", async () => {
    const [client, other] = [await register(server), await register(server)];
    const stolen = { ...client, registration_access_token: other.registration_access_token };
    await assertRefused(await manage(server, stolen, 'DELETE'), 401, 'invalid_token');
    await assertRefused(await manage(server, { ...client, registration_access_token: 'made-up' }, 'DELETE'), 401, 'invalid_token');
    assert.equal((await fetch(client.registration_client_uri, { method: 'DELETE' })).status, 401);
    assert.equal((await manage(server, client, 'GET')).status, 200);
  });
});
