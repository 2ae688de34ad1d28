import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { call, machineToken } from '../support/admin-api.ts';
import { runCommand } from '../support/command.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';

describe('An operator says at the terminal who may administer', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  const scopesOf = async (clientId: string) =>
    (await server.sql('select admin_scopes from client where id = $1', [clientId]))[0]?.['admin_scopes'];
  const events = (column: 'client_id' | 'account_id', id: string) =>
    server.sql(`select type, detail, request_id from audit_event where ${column} = $1 order by at desc, id desc`, [id]);

  it('a client is let ask for scopes of the admin API, and no longer', async () => {
    const client = await server.createClient({ grant_types: ['client_credentials'], response_types: [], redirect_uris: [] });
    const said = runCommand(server, 'clients', 'allow-admin-scopes', client.client_id, '--scopes', 'admin:read,admin:clients', '--yes');
    assert.equal(said.status, 0, said.stderr);
    assert.deepEqual(await scopesOf(client.client_id), ['admin:read', 'admin:clients']);
    const token = await machineToken(server, client, 'admin:read');
    assert.equal((await call(server, token, 'GET /clients')).status, 200);

    assert.equal(runCommand(server, 'clients', 'allow-admin-scopes', client.client_id, '--scopes', '', '--yes').status, 0);
    assert.deepEqual(await scopesOf(client.client_id), []);
    assert.equal((await call(server, token, 'GET /clients')).status, 403);
    assert.deepEqual(await events('client_id', client.client_id), [
      { type: 'client_admin_scopes_changed', detail: { scopes: [] }, request_id: 'operator' },
      { type: 'client_admin_scopes_changed', detail: { scopes: ['admin:read', 'admin:clients'] }, request_id: 'operator' },
    ]);
  });

  it('what makes no sense changes nothing', async () => {
    const { client_id } = await server.createClient();
    for (const more of [['--scopes', 'admin:everything'], [], ['--scopes', 'admin:read', '--services', 'x']]) {
      assert.equal(runCommand(server, 'clients', 'allow-admin-scopes', client_id, ...more, '--yes').status, 2);
    }
    assert.equal(runCommand(server, 'clients', 'allow-admin-scopes', client_id, '--scopes', 'admin:read').status, 1, 'nobody to ask');
    assert.equal(runCommand(server, 'clients', 'allow-admin-scopes', 'nobody', '--scopes', 'admin:read', '--yes').status, 1);
    assert.equal(runCommand(server, 'clients', 'allow-admin-scopes', 'munjigi-account', '--scopes', 'admin:read', '--yes').status, 1);
    assert.deepEqual(await scopesOf(client_id), []);
    assert.deepEqual(await events('client_id', client_id), []);
  });

  it('a person is given a role, and signed out', async () => {
    const person = await server.createPerson();
    const said = runCommand(server, 'people', 'change-role', person.email, '--role', 'support', '--yes');
    assert.equal(said.status, 0, said.stderr);
    const roleOf = async () => (await server.sql('select role::text from user_account where id = $1', [person.id]))[0]?.['role'];
    assert.equal(await roleOf(), 'support');
    assert.deepEqual(await events('account_id', person.id), [
      { type: 'role_changed', detail: { role: 'support' }, request_id: 'operator' },
    ]);
    for (const wrong of [['--role', 'king'], [], ['admin', '--role', 'user']])
      assert.equal(runCommand(server, 'people', 'change-role', person.email, ...wrong, '--yes').status, 2);
    assert.equal(await roleOf(), 'support');
  });
});
