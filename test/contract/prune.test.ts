import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import pg from 'pg';
import { keepPruned, prune } from '../../src/oauth/store/prune.ts';
import { openDatabase } from '../../src/platform/database.ts';
import { DatabaseUnavailable } from '../../src/platform/errors.ts';
import { createLog } from '../../src/platform/log.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { countRows } from '../support/storage.ts';

const PRUNED = ['protocol_record', 'authorization_code', 'token', 'session', 'upstream_visit', 'upstream_revocation', 'grant_record'];
const PRUNE_LOCK = 7_305_114;

describe('Expired rows', () => {
  let server: TestServer;
  let client: string;
  let person: string;
  /** A second connection, for a transaction that stays open. */
  let other: pg.Client;
  before(async () => {
    server = await startTestServer();
    client = (await server.createClient()).client_id;
    person = (await server.createPerson()).id;
    other = new pg.Client({ connectionString: server.config.databaseUrl });
    await other.connect();
    await server.sql(`insert into upstream_provider (id, name, settings) values ('far', 'Far', '{}')`);
    await keepAccount(server);
  });
  afterEach(async () => {
    await other.query('rollback');
    await server.sql(`truncate ${PRUNED.join(', ')}, upstream_token, gone`);
  });
  after(async () => {
    await other.end();
    await server.close();
  });

  const insertTokens = (from: number, to: number, expiresAt: string, grantId: string | null = null) =>
    server.sql(
      `insert into token (id, kind, client_id, account_id, grant_id, expires_at, payload)
       select sha256(n::text::bytea), 'AccessToken', $1, $2, $5, now() + $6::interval + n * interval '1 ms', '{}' from generate_series($3::int, $4::int) n`,
      [client, person, from, to, grantId, expiresAt],
    );
  const insertGrants = (from: number, to: number, expiresAt: string) =>
    server.sql(
      `insert into grant_record (id, client_id, account_id, expires_at, payload)
       select 'g' || n, $1, $2, now() + $5::interval + n * interval '1 ms', '{}' from generate_series($3::int, $4::int) n`,
      [client, person, from, to, expiresAt],
    );
  const insertOneOfEach = async (name: string, expiresAt: string) => {
    await server.sql(
      `with g as (insert into grant_record (id, client_id, account_id, expires_at, payload) values ($1::text, $2, $3, now() + $4::interval, '{}') returning 1),
         s as (insert into session (id, uid, account_id, expires_at, payload) values (sha256($1::text::bytea), $1, $3, now() + $4::interval, '{}') returning 1)
       insert into protocol_record (kind, id, expires_at, payload) values ('Interaction', sha256($1::text::bytea), now() + $4::interval, '{}')`,
      [name, client, person, expiresAt],
    );
    await server.sql(
      `with c as (insert into authorization_code (id, client_id, account_id, grant_id, expires_at, payload) values (sha256($1::text::bytea), $2, $3, $1, now() + $4::interval, '{}'))
       insert into token (id, kind, client_id, account_id, grant_id, expires_at, payload) values (sha256($1::text::bytea), 'AccessToken', $2, $3, $1, now() + $4::interval, '{}')`,
      [name, client, person, expiresAt],
    );
    await server.sql(
      `with v as (insert into upstream_visit (id, provider_id, return_to, bound, sealed, expires_at) values (sha256($1::text::bytea), 'far', '/', '', '', now() + $2::interval))
       insert into upstream_revocation (id, provider_id, access_token, expires_at) values ($1, 'far', '', now() + $2::interval)`,
      [name, expiresAt],
    );
  };
  /** The number of deleted rows of each batch. */
  const batches = async () =>
    (await server.sql('select batch::text, sum(rows)::int as rows from gone group by batch order by batch')).map(({ rows }) =>
      Number(rows),
    );

  it('are deleted from every table; live rows and rows that never expire stay', async () => {
    await insertOneOfEach('expired', '-1 second');
    await insertOneOfEach('live', '1 minute');
    await server.sql(`insert into protocol_record (kind, id, expires_at, payload) values ('RegistrationAccessToken', 'never', null, '{}')`);
    assert.equal(await prune(server.database), 7);
    for (const table of PRUNED) assert.equal(await countRows(server, `${table} where expires_at <= now()`), 0, table);
    assert.deepEqual(await Promise.all(PRUNED.map((table) => countRows(server, table))), [2, 1, 1, 1, 1, 1, 1]);
    assert.equal(await prune(server.database), 0);
  });

  it('are deleted in batches of at most a thousand', async () => {
    await insertTokens(1, 2_500, '-1 hour');
    await insertTokens(2_501, 2_600, '1 hour');
    assert.equal(await prune(server.database), 2_500);
    assert.deepEqual(await batches(), [1_000, 1_000, 500]);
    assert.equal(await countRows(server, 'token'), 100);
  });

  it('are deleted in batches of at most a thousand, together with live tokens under an expired grant', async () => {
    await insertGrants(1, 700, '-1 hour');
    await insertTokens(1, 1_800, '1 hour', 'g1');
    await insertTokens(1_801, 1_900, '1 hour', 'g650');
    await insertGrants(701, 702, '1 hour');
    await insertTokens(1_901, 1_910, '1 hour', 'g701');
    assert.equal(await prune(server.database), 700 + 1_900);
    const sizes = await batches();
    assert(Math.max(...sizes) <= 1_000, String(sizes));
    assert.equal(
      sizes.reduce((sum, rows) => sum + rows),
      2_600,
    );
    assert.equal(await countRows(server, 'token'), 10);
    assert.equal(await countRows(server, 'grant_record'), 2);
  });

  it('are deleted once each when two nodes prune at once', async () => {
    const second = openDatabase(server.config.databaseUrl, createLog('silent'));
    await insertTokens(1, 5_000, '-1 hour');
    await insertTokens(5_001, 5_100, '1 hour');
    const counts = await Promise.all([prune(server.database), prune(second), prune(second), prune(server.database)]);
    const rest = await prune(second);
    await second.close();
    // A row that two deleted would be counted twice.
    assert.equal(
      counts.reduce((sum, rows) => sum + rows, rest),
      5_000,
    );
    assert.equal(await countRows(server, 'token'), 100);
  });

  it('are left to the node that is pruning: another node does not wait', async () => {
    await insertTokens(1, 10, '-1 hour');
    await other.query('begin');
    await other.query('select pg_advisory_xact_lock($1)', [PRUNE_LOCK]);
    // The transaction above ends only after this. If prune() waited for it, it would never return.
    assert.equal(await prune(server.database), 0);
    assert.equal(await countRows(server, 'token'), 10);
    await other.query('rollback');
    assert.equal(await prune(server.database), 10);
  });

  it('that are locked are skipped, and deleted the next time', async () => {
    await insertTokens(1, 1_500, '-1 hour');
    await insertGrants(1, 3, '-1 hour');
    await insertTokens(1_501, 1_503, '1 hour', 'g2');
    await other.query('begin');
    await other.query(`select from token where id in (sha256('1'), sha256('700'), sha256('1502')) for update`);
    await other.query(`select from grant_record where id = 'g3' for update`);
    assert.equal(await prune(server.database), 1_498 + 2 + 1);
    assert.deepEqual(await server.sql('select id from grant_record order by id'), [{ id: 'g2' }, { id: 'g3' }]);
    assert.equal(await countRows(server, 'token'), 3);
    await other.query('rollback');
    assert.equal(await prune(server.database), 5);
    assert.equal(await countRows(server, 'token'), 0);
  });

  it('are deleted in whole batches when the database is lost midway, and the rest the next time', async () => {
    await insertTokens(1, 3_500, '-1 hour');
    await insertTokens(3_501, 3_510, '1 hour');
    await server.sql(`create sequence nth_batch`);
    await server.sql(`create function die() returns trigger language plpgsql as $$ begin
      if nextval('nth_batch') = 3 then perform pg_terminate_backend(pg_backend_pid()); end if; return null; end $$`);
    await server.sql('create trigger die after delete on token for each statement execute function die()');
    await assert.rejects(prune(server.database), DatabaseUnavailable);
    assert.deepEqual(await batches(), [1_000, 1_000]);
    assert.equal(await countRows(server, 'token'), 1_510);
    // The lock ends when Postgres has noticed that the connection is lost.
    await until(async () => (await countRows(server, `pg_locks where locktype = 'advisory' and objid = ${PRUNE_LOCK}`)) === 0);
    assert.equal(await prune(server.database), 1_500);
    assert.equal(await countRows(server, 'token'), 10);
    await server.sql('drop trigger die on token');
  });

  it('are vacuumed at once when a table lost many of them', async () => {
    await insertTokens(1, 12_000, '-1 hour');
    const vacuums = async () =>
      Number((await server.sql(`select vacuum_count from pg_stat_user_tables where relname = 'token'`))[0]?.['vacuum_count']);
    const before = await vacuums();
    assert.equal(await prune(server.database), 12_000);
    assert((await vacuums()) > before);
  });

  it('do not delay the end of the process: it interrupts a batch or a vacuum under way, and logs nothing', async () => {
    const lines: string[] = [];
    const log = createLog('info', { write: (line: string) => void lines.push(line) });
    await insertTokens(1, 3_000, '-1 hour');
    await other.query('begin');
    await other.query('lock table token');
    const pruning = keepPruned(server.database, log, 1);
    await until(async () => (await countRows(server, `pg_stat_activity where wait_event_type = 'Lock' and query like '%gone as%'`)) > 0);
    const stopped = pruning.stop();
    await other.query('rollback');
    await stopped;
    assert.equal(await countRows(server, 'token'), 2_000, 'the batch under way was the last');

    const name = new URL(server.config.databaseUrl).pathname.slice(1);
    await server.sql(`alter database ${name} set vacuum_cost_delay = 100`);
    await server.sql(`alter database ${name} set vacuum_cost_limit = 1`);
    const ending = new AbortController();
    const vacuuming = server.database.vacuum('token', ending.signal);
    await until(async () => (await countRows(server, 'pg_stat_progress_vacuum where datname = current_database()')) > 0);
    ending.abort();
    await vacuuming;
    // The database would finish the vacuum that it began.
    await server.sql('select pg_terminate_backend(pid) from pg_stat_progress_vacuum where datname = current_database()');
    assert.deepEqual(
      lines.filter((line) => !line.includes('"event":"pruned"')),
      [],
    );
  });
});

/** Creates a table that records how many rows each statement deleted, and in which transaction. */
async function keepAccount(server: TestServer): Promise<void> {
  await server.sql('create table gone (batch xid8 not null, rows int not null)');
  await server.sql(`create function account() returns trigger language plpgsql as $$ begin
    insert into gone select pg_current_xact_id(), count(*) from old having count(*) > 0; return null; end $$`);
  for (const table of PRUNED)
    await server.sql(
      `create trigger account after delete on ${table} referencing old table as old for each statement execute function account()`,
    );
}

/** Polls until `holds` is true. The runner's timeout ends the wait. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((again) => setTimeout(again, 10));
}
