import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { createUuidv7 } from '../../scripts/migrate.ts';
import { runScript } from '../support/command.ts';
import { createDatabase, type TestDatabase } from '../support/environment.ts';

const MIGRATIONS = join(import.meta.dirname, '../../prisma/migrations');
const NAMES = readdirSync(MIGRATIONS)
  .filter((name) => /^\d/.test(name))
  .sort();
// One that makes a table and a function.
const [CHOSEN = ''] = NAMES.filter((name) => name.endsWith('_key_use'));

describe('scripts/migrate.ts', () => {
  let database: TestDatabase;
  let side: pg.Client;
  before(async () => {
    database = await createDatabase();
    side = new pg.Client({ connectionString: database.url });
    await side.connect();
    // One migration is to be applied again.
    await side.query('drop table key_use cascade');
    await side.query('drop function tell_key_use_changed()');
    await side.query('delete from _prisma_migrations where migration_name = $1', [CHOSEN]);
  });
  after(async () => {
    await side.end();
    await database.drop();
  });

  // In a process of its own each time: the engine is of no use after a failure.
  const run = () =>
    runScript(
      { config: { issuer: 'http://localhost', databaseUrl: database.url, cookieKeys: [], dataEncryptionKeys: [] } } as never,
      'migrate',
    );
  const listed = async () =>
    (await side.query('select finished_at is not null as finished from _prisma_migrations where migration_name = $1', [CHOSEN])).rows;

  it('leaves nothing of a migration that failed, so that the next run applies it', async () => {
    await side.query('create table key_use (in_the_way int)');
    const failed = run();
    assert.equal(failed.status, 1);
    assert.match(failed.stderr, /^migrate: relation "key_use" already exists/);
    await side.query('drop table key_use');
    assert.deepEqual(await listed(), [], 'it is not in the list of what was applied');
    const left = await side.query("select to_regprocedure('tell_key_use_changed()') as made");
    assert.deepEqual(left.rows, [{ made: null }], 'and nothing of it is in the database');
    assert.equal(run().stdout, `applied ${CHOSEN}\n`);
    assert.deepEqual(await listed(), [{ finished: true }]);
  });

  it('applies one that an older release left as failed', async () => {
    await side.query('drop table key_use cascade');
    await side.query('drop function tell_key_use_changed()');
    await side.query('update _prisma_migrations set finished_at = null where migration_name = $1', [CHOSEN]);
    assert.equal(run().stdout, `applied ${CHOSEN}\n`);
    assert.deepEqual(await listed(), [{ finished: true }]);
  });

  it('builds an index while others write, also after a try that failed', async () => {
    const name = NAMES.find((one) => /create index concurrently/.test(readFileSync(join(MIGRATIONS, one, 'migration.sql'), 'utf8')));
    const index = 'user_account_foreign_password_idx';
    const isValid = async () =>
      (await side.query('select indisvalid as valid from pg_index where indexrelid = to_regclass($1)', [index])).rows;
    // What a try leaves that was interrupted.
    await side.query('update pg_index set indisvalid = false where indexrelid = to_regclass($1)', [index]);
    await side.query('delete from _prisma_migrations where migration_name = $1', [name]);
    assert.equal(run().stdout, `applied ${name}\n`);
    assert.deepEqual(await isValid(), [{ valid: true }]);
  });

  it('brings a uuidv7() of its own to a PostgreSQL below 18, which sorts by time as that of 18 does', async () => {
    // In a schema of its own: here the one of 18 is found first.
    await side.query('create schema own');
    await side.query(createUuidv7('own.uuidv7'));
    const { rows } = await side.query(`
      select n, own.uuidv7()::text as ours, uuidv7()::text as theirs from generate_series(1, 200) n`);
    for (const { ours } of rows) assert.match(ours, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.equal(new Set(rows.map(({ ours }) => ours)).size, rows.length);
    const stamps = (which: 'ours' | 'theirs') => rows.map((row) => String(row[which]).slice(0, 13));
    assert.deepEqual(stamps('ours'), stamps('ours').toSorted());
    const millisecond = (id: string) => Number.parseInt(id.replace('-', ''), 16);
    for (const [n, stamp] of stamps('ours').entries())
      assert.ok(Math.abs(millisecond(stamp) - millisecond(stamps('theirs')[n] as string)) < 1_000);
  });
});

/** Written to at every sign-in or token: nobody signs in while one of these is rewritten, or locked for as long as it takes to read it. */
const HOT = ['user_account', 'token', 'authorization_code', 'grant_record', 'session', 'protocol_record', 'audit_event', 'mail'];
// Those that were released before this rule. To mend them would change what databases have applied already.
const BEFORE = '20261130';

describe('Migrations', () => {
  const since = readdirSync(MIGRATIONS).filter((name) => /^\d/.test(name) && name >= BEFORE);

  /** What of a migration keeps a hot table locked for long. */
  function wrongIn(sql: string): string[] {
    const created = new Set([...sql.matchAll(/create table (?:if not exists )?"?(\w+)"?/gi)].map(([, name]) => name));
    return sql
      .replaceAll(/\$(\w*)\$[\s\S]*?\$\1\$/g, "''")
      .replaceAll(/--.*$/gm, '')
      .split(';')
      .map((statement) => statement.replaceAll(/\s+/g, ' ').replaceAll('"', '').trim())
      .filter((statement) => {
        const [, table = ''] =
          /^(?:alter table (?:only )?|create (?:unique )?index .*? on (?:only )?|update |delete from |truncate (?:table )?|lock (?:table )?)(\w+)/i.exec(
            statement,
          ) ?? [];
        if (!HOT.includes(table) || created.has(table)) return false;
        // Operators are few, however many people there are.
        if (/^update user_account .* where role <> 'user'$/i.test(statement)) return false;
        if (/^alter table/i.test(statement))
          return (
            /alter (column )?\w+ (set data )?type|set not null|set (logged|unlogged|tablespace)/i.test(statement) ||
            (/add constraint/i.test(statement) && !/not valid/i.test(statement)) ||
            /add (column )?\w+ .*default (?!null|current_timestamp|now\(\)|true|false|'|-?\d|array\[\])/i.test(statement) ||
            (/add (column )?\w+ .*not null/i.test(statement) && !/default/i.test(statement))
          );
        if (/^create/i.test(statement)) return !/concurrently/i.test(statement);
        // Rows by the million are written in batches: see scripts/migration-batches.ts.
        return true;
      });
  }

  it('rewrite no hot table, and lock none for as long as it takes to read it', () => {
    for (const name of since) assert.deepEqual(wrongIn(readFileSync(join(MIGRATIONS, name, 'migration.sql'), 'utf8')), [], name);
  });

  /** What of a batch is none: it must be one statement, of a bounded number of rows, that passes over none. */
  const wrongInBatch = (sql: string) =>
    /;\s*\S/.test(sql) || !/^update \w+ set .* where .*limit [1-5]?\d{1,3}\b/is.test(sql.trim()) || /skip locked/i.test(sql);

  it('change rows of a large table in batches', () => {
    const batches = readdirSync(MIGRATIONS, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('backfill.sql'));
    for (const file of batches) assert.equal(wrongInBatch(readFileSync(join(MIGRATIONS, file), 'utf8')), false, file);
    const batch = "update token set a = 'b' where id in (select id from token where a is null limit 1000 for update);\n";
    assert.equal(wrongInBatch(batch), false);
    for (const wrong of [
      "update token set a = 'b' where a is null;",
      batch.replace('1000', '1000000'),
      batch.replace('for update', 'for update skip locked'),
      batch + batch,
    ])
      assert.equal(wrongInBatch(wrong), true, wrong);
  });

  it('would be found out', () => {
    for (const wrong of [
      'ALTER TABLE "audit_event" ADD COLUMN "id" TEXT NOT NULL DEFAULT uuidv7()::text;',
      'alter table token alter column kind type text;',
      'ALTER TABLE "session" ALTER COLUMN "account_id" SET NOT NULL;',
      'ALTER TABLE "token" ADD CONSTRAINT "x" FOREIGN KEY ("a") REFERENCES "b"("id");',
      'CREATE INDEX "x" ON "audit_event"("type");',
      "update audit_event set detail = '{}';",
    ])
      assert.equal(wrongIn(wrong).length, 1, wrong);
    for (const right of [
      'ALTER TABLE "audit_event" ADD COLUMN "actor_id" TEXT;',
      `ALTER TABLE "token" ADD COLUMN "n" INTEGER NOT NULL DEFAULT 0;`,
      'ALTER TABLE "token" ADD CONSTRAINT "x" CHECK (n > 0) NOT VALID;',
      'create index concurrently x on token (n);',
      'create table mail (id text); create index x on mail (id);',
      'create function f() returns trigger language plpgsql as $$ begin update token set n = 1; end $$;',
    ])
      assert.deepEqual(wrongIn(right), [], right);
  });
});
