import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { createDatabase, startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { clientCredentials, createResourceServerClient, post, type TestClient } from '../support/flow.ts';
import { holdTable, holdToken, waitingForLocks } from '../support/lock.ts';

const ROOT = join(import.meta.dirname, '../..');

describe('A migration of a table that is in use', () => {
  let server: TestServer;
  let url: string;
  let folder: string;
  let client: TestClient;
  let api: TestClient;

  before(async () => {
    const database = await createDatabase();
    url = database.url;
    server = await startTestServer({}, database);
    client = await server.createClient();
    api = await createResourceServerClient(server);
    folder = mkdtempSync(join(tmpdir(), 'munjigi-migrations-'));
    cpSync(join(ROOT, 'prisma/migrations'), folder, { recursive: true });
  });
  after(async () => {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function addMigration(name: string, files: Record<string, string>): void {
    mkdirSync(join(folder, name));
    for (const [file, sql] of Object.entries(files)) writeFileSync(join(folder, name, file), sql);
  }
  /** In a process of its own: the engine does its work once in a process. @returns the names of what it applied. */
  async function run(): Promise<string[]> {
    const program = `import { migrate } from ${JSON.stringify(join(ROOT, 'scripts/migrate.ts'))};
      console.log(JSON.stringify(await migrate(process.env.DATABASE_URL, ${JSON.stringify(folder)}))); process.exit()`;
    const args = ['--input-type=module', '--eval', program];
    const { stdout } = await promisify(execFile)(process.execPath, args, { env: { ...process.env, DATABASE_URL: url } });
    return JSON.parse(stdout);
  }
  const isApplied = async (name: string) =>
    (await server.sql('select from _prisma_migrations where migration_name = $1 and finished_at is not null', [name])).length > 0;

  it('waits for its lock for a second at a time: requests pass it, and it is applied once the lock is free', async () => {
    const { access_token } = await clientCredentials(server, client);
    addMigration('99990101000000_column', { 'migration.sql': 'alter table token add column colour text;' });
    // What a long report holds: it lets requests pass, but not the migration.
    const lock = await holdTable(url, 'token', 'access share');
    const migrated = run();
    try {
      await eventually('the migration waits', async () => (await waitingForLocks(server)).length > 0);
      for (let asked = 0; asked < 3; asked++)
        await eventually('a request passes', async () => {
          const { status } = await post(server, '/oauth/introspect', api, { token: access_token });
          return status === 200;
        });
      assert.equal(await isApplied('99990101000000_column'), false);
    } finally {
      await lock.release();
    }
    assert.deepEqual(await migrated, ['99990101000000_column']);
    assert.equal(await isApplied('99990101000000_column'), true);
  });

  it('changes rows in batches, each a transaction of its own, waits for one that is held, and does so once', async () => {
    const tokens = await Promise.all(Array.from({ length: 5 }, () => clientCredentials(server, client)));
    addMigration('99990102000000_rows', {
      'migration.sql': 'create table shade (id int);',
      'backfill.sql': `update token set colour = 'dark' where id in (select id from token where colour is null limit 2 for update);`,
    });
    const left = async () => Number((await server.sql('select count(*)::int as n from token where colour is null'))[0]?.['n']);
    const lock = await holdToken(url, tokens[0]?.access_token as string);
    const migrated = run();
    try {
      await eventually(
        'it waits for the row',
        async () => (await isApplied('99990102000000_rows')) && (await waitingForLocks(server)).length > 0,
      );
      assert.ok((await left()) > 0, 'a row that is held is not passed over');
    } finally {
      await lock.release();
    }
    assert.deepEqual(await migrated, ['99990102000000_rows']);
    assert.equal(await left(), 0);
    const [batches] = await server.sql('select count(distinct xmin::text)::int as n, count(*)::int as rows from token');
    assert.ok(Number(batches?.['n']) >= Number(batches?.['rows']) / 2, JSON.stringify(batches));

    await server.sql('update token set colour = null');
    assert.deepEqual(await run(), []);
    assert.ok((await left()) > 0, 'what is finished is not begun again');
  });

  it('goes on with batches that were interrupted', async () => {
    await server.sql("update _prisma_migrations set logs = null where migration_name = '99990102000000_rows'");
    assert.deepEqual(await run(), [], 'no migration is applied again');
    assert.deepEqual(await server.sql('select from token where colour is null'), []);
  });
});
