import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createInitialAccessToken } from '../../src/features/registration/initial-access-tokens.ts';
import { randomSecret } from '../../src/platform/secrets.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { assertRefused } from '../support/refusals.ts';
import { askToRegister, METADATA, manage, type RegisteredClient, register } from '../support/registration.ts';
import { unchanged } from '../support/storage.ts';

describe('The audit events of client registration', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  const eventsOf = (site: TestServer, clientId: string) =>
    site.sql(
      'select type, account_id as account, address, request_id is not null as request, detail from audit_event where client_id = $1 order by at, id',
      [clientId],
    );
  const told = (type: string, more = {}) => ({
    type,
    account: null,
    address: '127.0.0.0/24',
    request: true,
    detail: { by: 'registration', ...more },
  });

  it('record that a client was created, changed and deleted, of the client only, and remain after its deletion', async () => {
    const client = await register(server);
    const { client_id } = client;
    const updated = await manage(server, client, 'PUT', { ...METADATA, client_id, client_name: 'Stroll' });
    const { registration_access_token } = (await updated.json()) as RegisteredClient;
    assert.equal((await manage(server, { ...client, registration_access_token }, 'GET')).status, 200);
    assert.equal((await manage(server, { ...client, registration_access_token }, 'DELETE')).status, 204);
    assert.deepEqual(await eventsOf(server, client_id), [told('client_made'), told('client_changed'), told('client_deleted')]);
  });

  it('record nothing of a refused request', async () => {
    const client = await register(server);
    const { client_id } = client;
    await unchanged(server, async () => {
      assert.equal((await askToRegister(server, { ...METADATA, redirect_uris: ['http://walk.example/cb'] })).status, 400);
      assert.equal((await manage(server, client, 'PUT', { ...METADATA, client_id, grant_types: ['password'] })).status, 400);
      assert.equal((await manage(server, { client_id, registration_access_token: 'made-up' }, 'DELETE')).status, 401);
    });
    assert.deepEqual(await eventsOf(server, client_id), [told('client_made')]);
  });

  it('name the initial access token that created a client, permanently; the client does not see it', async () => {
    const guarded = await startTestServer({ registration: 'token' });
    try {
      const secret = randomSecret();
      const token = { name: 'Walk', maxClients: 3, lifeSeconds: 60, grantTypes: [], scopes: [] };
      const [made] = await guarded.database.change<{ id: string }>(createInitialAccessToken(secret, token));
      const id = made?.id;
      const answer = await askToRegister(guarded, { ...METADATA, registered_with: 'mine' }, { authorization: `Bearer ${secret}` });
      const client = (await answer.json()) as RegisteredClient;
      assert.equal(answer.status, 201, JSON.stringify(client));
      assert(!JSON.stringify(client).includes(String(id)));
      const registeredWith = () => guarded.sql('select registered_with from client where id = $1', [client.client_id]);
      assert.deepEqual(await registeredWith(), [{ registered_with: id }]);
      assert.deepEqual(await eventsOf(guarded, client.client_id), [told('client_made', { token: id })]);
      const updated = await manage(guarded, client, 'PUT', { ...METADATA, client_id: client.client_id, client_name: 'Stroll' });
      assert.equal(updated.status, 200);
      assert.deepEqual(await registeredWith(), [{ registered_with: id }]);
    } finally {
      await guarded.close();
    }
  });

  it("record the end of a registration access token that is used at another client's address; neither client changes", async () => {
    const [client, other] = [await register(server), await register(server)];
    const strayed = { client_id: other.client_id, registration_access_token: client.registration_access_token };
    const rows = await unchanged(server, () => manage(server, strayed, 'DELETE'), ['protocol_record']);
    await assertRefused(rows, 401, 'invalid_token');
    // RFC 7592 section 2: the token's client sent it to the wrong address, or somebody else has the token.
    assert.equal((await manage(server, client, 'GET')).status, 401);
    assert.equal((await manage(server, other, 'GET')).status, 200, "the other's own goes on");
  });
});
