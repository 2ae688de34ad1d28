import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { allowServices, suspendClient, verifyClient } from '../../src/oauth/clients/store.ts';
import { prune } from '../../src/oauth/store/prune.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { clientCredentials, obtainTokens } from '../support/flow.ts';
import { METADATA, manage, type RegisteredClient, register } from '../support/registration.ts';
import { countRows } from '../support/storage.ts';

describe('Unused clients that registered themselves', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  /** Sets the times of creation and last use to `ago`. */
  const age = (ago: string, { client_id }: { client_id: string }) =>
    server.sql(`update client set seen_at = now() - $1::interval, created_at = now() - $1::interval where id = $2`, [ago, client_id]);
  const isThere = async ({ client_id }: { client_id: string }) => (await countRows(server, 'client where id = $1', [client_id])) === 1;
  const seenNow = ({ client_id }: { client_id: string }) =>
    countRows(server, `client where id = $1 and seen_at > now() - interval '1 hour'`, [client_id]);
  const clients = (count: number) => Promise.all(Array.from({ length: count }, () => register(server)));

  it('are deleted after 90 days with everything they had, and not a day before', async () => {
    const [old, young] = (await clients(2)) as [RegisteredClient, RegisteredClient];
    await age('90 days 1 minute', old);
    await age('89 days 23 hours', young);
    assert.equal(await prune(server.database), 1);
    assert.deepEqual([await isThere(old), await isThere(young)], [false, true]);
    for (const table of ['client_secret', 'protocol_record'])
      assert.equal(await countRows(server, `${table} where client_id = $1`, [old.client_id]), 0);
    assert.equal((await manage(server, old, 'GET')).status, 401);
    assert.equal((await manage(server, young, 'GET')).status, 200);
  });

  it('stay while a grant or a token is live, and for 90 days after pruning found them with one', async () => {
    const [granted, own, idle] = (await clients(3)) as [RegisteredClient, RegisteredClient, RegisteredClient];
    const person = await server.createPerson();
    await obtainTokens(server, granted, person);
    await server.sql('delete from token where client_id = $1', [granted.client_id]);
    await clientCredentials(server, own);
    for (const client of [granted, own, idle]) await age('1 year', client);
    assert.equal(await prune(server.database), 1);
    assert.deepEqual([await isThere(granted), await isThere(own), await isThere(idle)], [true, true, false]);
    for (const client of [granted, own]) assert.equal(await seenNow(client), 1);

    await server.sql('delete from grant_record where client_id = $1', [granted.client_id]);
    await prune(server.database);
    assert.equal(await isThere(granted), true);
    await age('91 days', granted);
    await prune(server.database);
    assert.equal(await isThere(granted), false);
  });

  it('count as used when their tokens expire', async () => {
    const [used, today] = (await clients(2)) as [RegisteredClient, RegisteredClient];
    for (const client of [used, today]) await clientCredentials(server, client);
    await age('100 days', used);
    await age('20 hours', today);
    const both = [used.client_id, today.client_id];
    await server.sql(`update token set expires_at = now() - interval '1 second' where client_id = any($1)`, [both]);
    assert.equal(await prune(server.database), 2, 'the tokens');
    assert.equal(await seenNow(used), 1);
    assert.equal(await seenNow(today), 0, 'once a day is enough');
    assert.equal(await isThere(used), true);
  });

  it('count as used when they change their metadata', async () => {
    const client = await register(server);
    await age('100 days', client);
    assert.equal((await manage(server, client, 'PUT', { ...METADATA, client_id: client.client_id })).status, 200);
    assert.equal(await prune(server.database), 0);
    assert.equal(await isThere(client), true);
  });

  it('stay when an operator verified or suspended them or gave them rights; clients that an operator created stay too', async () => {
    const [verified, suspended, allowed] = (await clients(3)) as [RegisteredClient, RegisteredClient, RegisteredClient];
    await server.database.change(verifyClient(verified.client_id, 'Walk Inc.'));
    await server.database.change(suspendClient(suspended.client_id));
    await server.database.change(allowServices(allowed.client_id, { services: ['far'], origins: [] }));
    const own = [await server.createClient(), { client_id: 'munjigi-account' }, { client_id: 'munjigi-resource-api' }];
    for (let time = 0; time < 2; time++) {
      for (const client of [verified, suspended, allowed, ...own]) await age('10 years', client);
      assert.equal(await prune(server.database), 0);
    }
    for (const client of [verified, suspended, allowed, ...own]) assert.equal(await isThere(client), true, client.client_id);
  });

  it('are deleted in batches of at most a hundred; used and locked clients are skipped', async () => {
    await server.sql(
      `insert into client (id, metadata, registration, seen_at) select 'many-' || n, '{}', 'dynamic', now() - interval '1 year' + n * interval '1 second' from generate_series(1, 250) n`,
    );
    await server.sql(
      `insert into grant_record (id, client_id, account_id, expires_at, payload)
       select 'g' || n, 'many-' || n, (select id from user_account limit 1), now() + interval '1 day', '{}' from generate_series(1, 20) n`,
    );
    await server.sql('create table gone (batch xid8 not null, rows int not null)');
    await server.sql(`create function account() returns trigger language plpgsql as $$ begin
      insert into gone select pg_current_xact_id(), count(*) from old having count(*) > 0; return null; end $$`);
    await server.sql(
      'create trigger account after delete on client referencing old table as old for each statement execute function account()',
    );
    const issuing = new pg.Client({ connectionString: server.config.databaseUrl });
    await issuing.connect();
    await issuing.query('begin');
    await issuing.query(`select from client where id = 'many-200' for key share`);
    assert.equal(await prune(server.database), 229);
    const [{ most } = {}] = await server.sql('select max(rows)::int as most from gone');
    assert(Number(most) <= 100, String(most));
    assert.equal(await countRows(server, `client where id like 'many-%'`), 21);
    await issuing.query('rollback');
    await issuing.end();
    assert.equal(await prune(server.database), 1);
    assert.equal(await isThere({ client_id: 'many-200' }), false);
  });
});
