import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createInitialAccessToken, revokeInitialAccessToken } from '../../src/features/registration/initial-access-tokens.ts';
import { prune } from '../../src/oauth/store/prune.ts';
import { randomSecret } from '../../src/platform/secrets.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { assertRefused } from '../support/refusals.ts';
import { askToRegister, METADATA, manage, type RegisteredClient } from '../support/registration.ts';
import { countRows, dumpTables, unchanged } from '../support/storage.ts';

describe('Registration with an initial access token (RFC 7591 section 3)', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer({ registration: 'token' });
  });
  after(() => server.close());

  const LIMITLESS = { name: 'a test', maxClients: 100, lifeSeconds: 60, grantTypes: [], scopes: [] };
  const make = async (limits: Partial<Parameters<typeof createInitialAccessToken>[1]> = {}) => {
    const token = randomSecret();
    const [row] = await server.database.change<{ id: string }>(createInitialAccessToken(token, { ...LIMITLESS, ...limits }));
    return { token, id: String(row?.id) };
  };
  const ask = (token: string, metadata: Record<string, unknown> = {}, node = server) =>
    askToRegister(node, { ...METADATA, ...metadata }, { authorization: `Bearer ${token}` });
  const register = async (token: string, metadata: Record<string, unknown> = {}) => {
    const response = await ask(token, metadata);
    const body = (await response.json()) as RegisteredClient;
    assert.equal(response.status, 201, JSON.stringify(body));
    return body;
  };
  const refused = async (token: string) => {
    const response = await unchanged(server, () => ask(token));
    assert.match(response.headers.get('www-authenticate') ?? '', /^Bearer .*error="invalid_token"/);
    await assertRefused(response, 401, 'invalid_token');
  };
  const made = () => countRows(server, `client where registration = 'dynamic'`);

  it('is refused without a token, and with an invented one', async () => {
    const { token } = await make();
    const bare = await unchanged(server, () => askToRegister(server, METADATA));
    assert.equal(bare.status, 401);
    assert.match(bare.headers.get('www-authenticate') ?? '', /^Bearer /);
    await refused('made-up');
    await refused(`${token}x`);
    assert.equal((await unchanged(server, () => askToRegister(server, METADATA, { authorization: `Basic ${token}` }))).status, 400);
    const inAddress = await unchanged(server, () =>
      fetch(`${server.issuer}/oauth/register?access_token=${token}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(METADATA),
      }).finally(() => server.sql('delete from rate_limit')),
    );
    assert.equal(inAddress.status, 400);
  });

  it('is refused with an expired or revoked token; clients that it created remain', async () => {
    const [expired, revoked] = [await make(), await make()];
    const clients = [await register(expired.token), await register(revoked.token)];
    await server.sql(`update initial_access_token set expires_at = now() - interval '1 second' where id = $1`, [expired.id]);
    await server.database.change(revokeInitialAccessToken(revoked.id));
    for (const { token } of [expired, revoked]) await refused(token);
    await prune(server.database);
    assert.equal(await countRows(server, 'initial_access_token where id = any($1)', [[expired.id, revoked.id]]), 0);
    for (const client of clients) assert.equal((await manage(server, client, 'GET')).status, 200);
  });

  it('creates as many clients as the token allows, also with many requests at once on two nodes', async () => {
    const [{ token, id }, before] = [await make({ maxClients: 3 }), await made()];
    const second = await server.secondNode();
    const answers = await Promise.all(Array.from({ length: 12 }, (_, n) => ask(token, {}, n % 2 ? second : server)));
    await second.close();
    const statuses = answers.map(({ status }) => status).sort();
    assert.deepEqual(statuses, [...Array(3).fill(201), ...Array(9).fill(401)]);
    for (const answer of answers.filter(({ status }) => status === 401)) await assertRefused(answer, 401, 'invalid_token');
    assert.equal((await made()) - before, 3);
    assert.deepEqual(await server.sql('select clients from initial_access_token where id = $1', [id]), [{ clients: 3 }]);
    assert.equal(await countRows(server, `protocol_record r where not exists (select from client c where c.id = r.client_id)`), 0);
    await refused(token);
  });

  it('requires and counts the token under every spelling of the address', async () => {
    const { token, id } = await make({ maxClients: 1 });
    const before = await made();
    for (const path of ['/oauth/register/', '/oauth/Register', '/oauth/REGISTER', '/oauth/%72egister', '/oauth//register'])
      for (const authorization of ['', `Bearer ${token}`, `Bearer ${token}`]) {
        const headers = { 'content-type': 'application/json', ...(authorization ? { authorization } : undefined) };
        const answer = await fetch(server.issuer + path, { method: 'POST', headers, body: JSON.stringify(METADATA) });
        assert((authorization ? [201, 401, 404] : [401, 404]).includes(answer.status), `${path} ${answer.status}`);
      }
    await server.sql('delete from rate_limit');
    const [row] = await server.sql('select clients from initial_access_token where id = $1', [id]);
    assert.equal((await made()) - before, row?.['clients']);
    assert(Number(row?.['clients']) <= 1);
  });

  it('does not use up the token when it is refused', async () => {
    const { token } = await make({ maxClients: 1 });
    const wrong = await unchanged(server, () => ask(token, { redirect_uris: ['http://walk.example/cb'] }));
    assert.equal(wrong.status, 400);
    await register(token);
  });

  it("creates clients of the token's kind, which an update cannot exceed", async () => {
    const { token } = await make({ grantTypes: ['authorization_code', 'refresh_token'], scopes: ['openid', 'profile'] });
    const GRANTS = ['authorization_code', 'refresh_token'];
    for (const wrong of [
      { grant_types: [...GRANTS, 'client_credentials'] },
      { grant_types: GRANTS, scope: 'openid api' },
      { grant_types: GRANTS, scope: 'offline_access' },
    ])
      await assertRefused(await unchanged(server, () => ask(token, wrong)), 400, 'invalid_client_metadata');
    const unknown = await register(token, { grant_types: [...GRANTS, 'password'], scope: 'mcp:read' });
    assert.deepEqual(
      [unknown['grant_types'], unknown['scope']],
      [GRANTS, 'openid profile'],
      'what there is not is left out, no limit with it',
    );
    const client = await register(token, { grant_types: GRANTS, registration_limits: { grantTypes: [], scopes: [] } });
    assert.equal(client['scope'], 'openid profile', 'all that it may, when it says nothing');

    const { client_id } = client;
    const rightful = { ...METADATA, client_id, grant_types: GRANTS };
    for (const wrong of [{ grant_types: METADATA.grant_types }, { scope: 'openid api' }, { registration_limits: null, scope: 'api' }])
      assert.equal((await unchanged(server, () => manage(server, client, 'PUT', { ...rightful, ...wrong }))).status, 400);
    const updated = await manage(server, client, 'PUT', { ...rightful, registration_limits: { grantTypes: [], scopes: [] } });
    assert.equal(updated.status, 200);
    const again = (await updated.json()) as RegisteredClient;
    assert.equal(again['scope'], 'openid profile');
    assert.equal((await unchanged(server, () => manage(server, again, 'PUT', { ...rightful, scope: 'api' }))).status, 400);
  });

  it('creates no client with codes from a token without authorization codes, even by omitting grant_types', async () => {
    const { token } = await make({ grantTypes: ['client_credentials'] });
    const wanted = { grant_types: ['client_credentials'], response_types: ['code'] };
    const body = await assertRefused(await unchanged(server, () => ask(token, wanted)), 400, 'invalid_client_metadata');
    assert.match(String(body['error_description']), /response_types must be empty/);
    await assertRefused(await unchanged(server, () => ask(token, { grant_types: undefined })), 400, 'invalid_client_metadata');
    for (const more of [{ response_types: [], redirect_uris: [] }, { response_types: undefined }]) {
      const client = await register(token, { ...wanted, ...more });
      assert.deepEqual([client['grant_types'], client['response_types']], [['client_credentials'], []]);
    }
  });

  it('stores the token as a digest only', async () => {
    const { token } = await make();
    await register(token);
    const stored = JSON.stringify(await dumpTables(server));
    assert(!stored.includes(token) && !stored.includes(Buffer.from(token).toString('hex')));
    assert(!server.logLines().some((line) => line.includes(token)));
  });
});

describe('Closed registration', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer({ registration: 'closed' });
  });
  after(() => server.close());

  it('answers like an unknown address, for any request', async () => {
    const large = JSON.stringify({ client_name: 'x'.repeat(100_000) });
    for (const method of ['GET', 'POST', 'PUT', 'DELETE'])
      for (const path of ['/oauth/register', '/oauth/register/some-client']) {
        const like = { method, headers: { 'content-type': 'application/json', authorization: 'Bearer x' } };
        for (const body of method === 'GET' ? [undefined] : [JSON.stringify(METADATA), large]) {
          const init = { ...like, ...(body === undefined ? undefined : { body }) };
          const answer = await unchanged(server, () => fetch(server.issuer + path, init));
          const nowhere = await fetch(server.issuer + path.replace('register', 'nothing'), init);
          assert.equal(answer.status, 404, `${method} ${path}`);
          assert.deepEqual(await answer.json(), await nowhere.json());
          assert.equal(answer.headers.get('www-authenticate'), null);
        }
      }
  });

  it('is missing in discovery', async () => {
    for (const path of ['openid-configuration', 'oauth-authorization-server']) {
      const response = await fetch(`${server.issuer}/.well-known/${path}`);
      assert.equal(response.status, 200);
      const metadata = (await response.json()) as Record<string, unknown>;
      assert.equal('registration_endpoint' in metadata, false);
      assert.equal(metadata['token_endpoint'], `${server.issuer}/oauth/token`);
    }
  });
});
