import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { RESOURCE_API_CLIENT } from '../../src/oauth/clients/first-party.ts';
import { rotateSecret } from '../../src/oauth/clients/store.ts';
import { randomSecret } from '../../src/platform/secrets.ts';
import { call, createMachine, fieldsOf, machineToken, personToken, problemOf } from '../support/admin-api.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { callApi, createResourceServerClient, introspect, obtainTokens, post, type TestClient } from '../support/flow.ts';
import { unchanged } from '../support/storage.ts';

describe('Sessions, secrets and owners at the admin API', () => {
  let server: TestServer;
  let token: string;
  before(async () => {
    server = await startTestServer();
    token = await machineToken(server, await createMachine(server));
  });
  after(() => server.close());

  const forget = () => server.sql('delete from rate_limit');
  /** Asserts that a request is refused and changes nothing. @returns the problem. */
  async function refused(request: string, body?: unknown, as = token): Promise<string> {
    await forget();
    const said = await unchanged(server, async () => {
      const answer = await call(server, as, request, body);
      await forget();
      return answer;
    });
    assert(said.status >= 400, request);
    return problemOf(said);
  }
  const lastEvent = async () =>
    (await server.sql('select type, account_id, client_id from audit_event order by at desc, id desc limit 1'))[0];
  const status = async (client: TestClient) => (await post(server, '/oauth/token', client, { grant_type: 'client_credentials' })).status;

  it('ends one session of a user with its tokens, and no other session', async () => {
    const [app, api, person] = [await server.createClient(), await createResourceServerClient(server), await server.createPerson()];
    const [here, there] = [await obtainTokens(server, app, person), await obtainTokens(server, app, person)];
    const list = async () => (await call(server, token, `GET /sessions?account=${person.id}`)).body.data ?? [];
    const rows = await list();
    assert.equal(rows.length, 2);
    assert(rows.every(({ account_id }) => account_id === person.id));
    const [row] = await server.sql(`select payload->>'sessionUid' as uid from token where id = sha256($1)`, [
      Buffer.from(here.access_token),
    ]);
    assert(row?.['uid']);
    assert.equal((await call(server, token, `DELETE /sessions/${row['uid']}`)).status, 200);
    assert.deepEqual(await lastEvent(), { type: 'session_ended', account_id: person.id, client_id: null });
    assert.deepEqual(
      (await list()).map(({ id }) => id),
      rows.map(({ id }) => id).filter((id) => id !== row['uid']),
    );
    assert.deepEqual(await introspect(server, api, here.access_token), { active: false });
    assert.equal((await introspect(server, api, there.access_token))['active'], true);
    assert.equal(await refused(`DELETE /sessions/${row['uid']}`), 'not_found');
    for (const id of ['nobody', '%00', '%F0%9F%98%80']) assert.equal(await refused(`DELETE /sessions/${id}`), 'not_found');
  });

  it('refuses to end the session of a user who may do more than the actor', async () => {
    const [support, admin] = [await personToken(server, 'support'), await personToken(server, 'admin')];
    const [session] = (await call(server, token, `GET /sessions?account=${admin.person.id}`)).body.data ?? [];
    assert.equal(await refused(`DELETE /sessions/${session?.['id']}`, undefined, support.token), 'above');
    assert.equal(await refused(`DELETE /sessions/${session?.['id']}`, undefined, admin.token), 'own_account');
  });

  it("lists secrets by a handle that gives no access, and ends one at once beside the client's others", async () => {
    const client = await server.createClient();
    const secret = randomSecret();
    await server.database.change(rotateSecret(client.client_id, secret, 3_600));
    const renewed = { ...client, client_secret: secret };
    await eventually('both work', async () => (await status(renewed)) === 200 && (await status(client)) === 200);
    const list = async () => (await call(server, token, `GET /client-secrets?client=${client.client_id}`)).body.data ?? [];
    const rows = await list();
    assert.equal(rows.length, 2);
    assert(!JSON.stringify(rows).includes(secret) && !JSON.stringify(rows).includes(String(client.client_secret)));
    const old = rows.find(({ expires_at }) => expires_at !== null);
    const kept = rows.find(({ expires_at }) => expires_at === null);
    assert.equal(kept?.['hint'], `${secret.slice(0, 4)}…${secret.slice(-4)}`);
    const pages = [await call(server, token, `GET /client-secrets?client=${client.client_id}&limit=1`)];
    const cursor = encodeURIComponent(String(pages[0]?.body['next_cursor']));
    pages.push(await call(server, token, `GET /client-secrets?client=${client.client_id}&limit=1&cursor=${cursor}`));
    assert.deepEqual(
      pages.flatMap(({ body }) => body.data),
      rows,
    );
    assert.equal((await call(server, token, `DELETE /client-secrets/${old?.['id']}`)).status, 200);
    assert.deepEqual(await lastEvent(), { type: 'client_secret_ended', account_id: null, client_id: client.client_id });
    assert.deepEqual(await list(), [kept]);
    await eventually('the old one has ended', async () => (await status(client)) === 401);
    assert.equal(await status(renewed), 200);
    for (const id of [old?.['id'], 'nothing', '%', 'f'.repeat(64)])
      assert.equal(await refused(`DELETE /client-secrets/${encodeURIComponent(String(id))}`), 'not_found');
  });

  it("refuses to end the secret of the server's own API, which keeps working", async () => {
    const [own] = (await call(server, token, `GET /client-secrets?client=${RESOURCE_API_CLIENT}`)).body.data ?? [];
    assert.equal(await refused(`DELETE /client-secrets/${own?.['id']}`), 'own_client');
    const { access_token } = await obtainTokens(server, await server.createClient(), await server.createPerson(), {
      scope: 'openid profile',
    });
    assert.equal((await callApi(server, '/api/me', access_token)).status, 200);
  });

  it('removes an owner with their invitations, adds one, and refuses to remove the last', async () => {
    const { client_id } = await server.createClient();
    const [one, other, stranger] = [await server.createPerson(), await server.createPerson(), await server.createPerson()];
    const owners = async () => (await call(server, token, `GET /clients/${client_id}`)).body['owners'];
    const act = (verb: 'add' | 'remove', account: string) => call(server, token, `POST /clients/${client_id}/${verb}-owner`, { account });
    for (const { id } of [one, other]) assert.equal((await act('add', id)).status, 200);
    assert.deepEqual(await lastEvent(), { type: 'client_owner_joined', account_id: other.id, client_id });
    assert.deepEqual(await owners(), [one.id, other.id]);
    await server.sql(
      `insert into client_invitation (id, client_id, email, invited_by, expires_at) values (uuidv7()::text, $1, 'friend@people.example', $2, now() + interval '1 day')`,
      [client_id, one.id],
    );
    assert.equal(await refused(`POST /clients/${client_id}/remove-owner`, { account: stranger.id }), 'invalid_input');
    assert.equal((await act('remove', one.id)).status, 200);
    assert.deepEqual(await lastEvent(), { type: 'client_owner_left', account_id: one.id, client_id });
    assert.deepEqual(await owners(), [other.id]);
    assert.deepEqual(await server.sql('select 1 from client_invitation where client_id = $1', [client_id]), []);
    assert.equal(await refused(`POST /clients/${client_id}/remove-owner`, { account: other.id }), 'last_owner');
    for (const account of ['nobody', 'a\0b', ''])
      assert.equal(await refused(`POST /clients/${client_id}/add-owner`, { account }), 'invalid_input');
    assert.equal(await refused('POST /clients/nobody/add-owner', { account: one.id }), 'not_found');
    assert.equal(await refused(`POST /clients/${RESOURCE_API_CLIENT}/add-owner`, { account: one.id }), 'own_client');
    assert.deepEqual(fieldsOf(await call(server, token, `POST /clients/${client_id}/add-owner`, {})), ['account']);
  });

  it('keeps one of two owners who are removed at once', async () => {
    const { client_id } = await server.createClient();
    const [one, other] = [await server.createPerson(), await server.createPerson()];
    await server.sql('insert into client_owner (client_id, account_id) select $1, unnest($2::text[])', [client_id, [one.id, other.id]]);
    const answers = await Promise.all(
      [one, other].map(({ id }) => call(server, token, `POST /clients/${client_id}/remove-owner`, { account: id })),
    );
    assert.equal(answers.filter(({ status: done }) => done === 200).length, 1);
    assert(['changed', 'last_owner'].includes(problemOf(answers.find(({ status: done }) => done !== 200) as never)));
    assert.equal((await server.sql('select 1 from client_owner where client_id = $1', [client_id])).length, 1);
  });
});
