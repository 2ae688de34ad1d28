import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { readDatabaseUrl } from '../src/platform/config.ts';
import { openClient, openHosts, WITHOUT_LIMIT } from '../src/platform/database-hosts.ts';
import { areBackfilled, backfill, LOCK_TIMEOUT_MS, patiently } from './migration-batches.ts';

/**
 * Brings a database to the schema of prisma/migrations, with Prisma's own migration engine in its WebAssembly form:
 * nothing is downloaded, and Prisma's `_prisma_migrations` table says what was applied.
 */

const HELP = `Usage: node scripts/migrate.ts [create NAME]

  (no command)   applies the migrations of prisma/migrations that the database at DATABASE_URL lacks
  create NAME    writes a migration from prisma/schema.prisma as last committed to how it is now; read it before you commit it

  --help         shows this
`;

const ROOT = join(import.meta.dirname, '..');
const MIGRATIONS = join(ROOT, 'prisma/migrations');
const SCHEMA = join(ROOT, 'prisma/schema.prisma');
const EVERYTHING = { externalTables: [], externalEnums: [] };

// Nodes that start together take turns: the second finds nothing left to do.
const MIGRATION_LOCK = 7_305_113;

/**
 * Applies what is missing, then changes rows in batches where a migration asks for it (migration-batches.ts).
 * @param folder of the migrations. @returns names of the migrations applied. @throws when the database cannot be reached or a migration fails.
 */
export function migrate(databaseUrl: string, folder = MIGRATIONS): Promise<string[]> {
  return withClient(databaseUrl, async (client) => {
    await client.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
    if (await isUpToDate(client, folder)) return [];
    await prepare(client);
    const input = { migrationsList: await migrationList(folder), filters: EVERYTHING };
    try {
      const applied = await withEngine(databaseUrl, async (engine) => (await engine.applyMigrations(input)).appliedMigrationNames);
      await backfill(client, folder);
      return applied;
    } catch (error) {
      // Otherwise the next run would refuse to go on until somebody mended the list by hand.
      await client.query(FORGET_FAILED);
      throw error;
    }
  });
}

const OLDEST_VERSION = 15;
const UNDEFINED_TABLE = '42P01';

/**
 * Makes the function that PostgreSQL has from 18 on, where it is older. One that is later upgraded to 18 goes on with its own: that stands in
 * pg_catalog, which is looked in first. Forgets what a failed migration left in Prisma's list: each ran in one transaction, so nothing else is left, or built one index.
 * @throws Error for a PostgreSQL that is too old.
 */
async function prepare(client: pg.Client): Promise<void> {
  const { rows } = await client.query(
    "select current_setting('server_version_num')::int / 10000 as major, to_regprocedure('uuidv7()') as uuidv7",
  );
  const [{ major, uuidv7 }] = rows;
  if (major < OLDEST_VERSION) throw new Error(`PostgreSQL ${major} is too old: use ${OLDEST_VERSION} or newer`);
  if (!uuidv7) await client.query(createUuidv7('uuidv7'));
  await client.query(FORGET_FAILED).catch((error) => {
    if (error.code !== UNDEFINED_TABLE) throw error;
  });
}

const FORGET_FAILED = 'delete from _prisma_migrations where finished_at is null and rolled_back_at is null';

/** RFC 9562 section 5.7: 48 bits of milliseconds, the version, 12 bits of the rest of the millisecond as PostgreSQL 18 has them, the variant, randomness. */
export const createUuidv7 = (name: string) => `
  create function ${name}() returns uuid language sql volatile parallel safe as $$
    select encode(
      substring(int8send(micros / 1000) from 3)
        || int2send((28672 + (micros % 1000) * 4096 / 1000)::int2)
        || set_byte(substring(random from 9), 0, (get_byte(random, 8) & 63) | 128), 'hex')::uuid
    from (select (extract(epoch from clock_timestamp()) * 1000000)::int8 as micros, uuid_send(gen_random_uuid()) as random) as parts
  $$`;

/** Whether the database has every migration already. @throws when it cannot be reached. */
export function isMigrated(databaseUrl: string): Promise<boolean> {
  return withClient(databaseUrl, (client) => isUpToDate(client, MIGRATIONS));
}

async function withClient<T>(databaseUrl: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = openClient(databaseUrl, { connectionTimeoutMillis: 5_000 });
  await client.connect();
  try {
    await client.query(WITHOUT_LIMIT);
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Loading the engine takes most of a second, so a start that has nothing to apply does without. */
async function isUpToDate(client: pg.Client, folder: string): Promise<boolean> {
  const { rows: tables } = await client.query("select to_regclass('_prisma_migrations') as found");
  if (!tables[0].found) return false;
  const { rows } = await client.query(
    'select migration_name from _prisma_migrations where finished_at is not null and rolled_back_at is null',
  );
  const applied = new Set(rows.map((row) => row.migration_name));
  return (await migrationNames(folder)).every((name) => applied.has(name)) && (await areBackfilled(client, folder));
}

/** From the schema as it was last committed to the schema as it stands. The engine wants a database to speak to, and leaves it as it is. @returns the file written, if anything changed. */
async function create(databaseUrl: string, name: string): Promise<string | undefined> {
  const [before, after] = [await committedSchema(), await readFile(SCHEMA, 'utf8')];
  const datamodel = (content: string) => ({ tag: 'schemaDatamodel' as const, files: [{ path: SCHEMA, content }] });
  const { stdout: sql } = await withEngine(databaseUrl, (engine) =>
    engine.diff({
      from: before ? datamodel(before) : { tag: 'empty' },
      to: datamodel(after),
      script: true,
      exitCode: null,
      filters: EVERYTHING,
    }),
  );
  if (!sql || /This is an empty migration/.test(sql)) return undefined;
  const stamp = new Date().toISOString().replace(/\D/g, '').slice(0, 14);
  const file = join(MIGRATIONS, `${stamp}_${name}`, 'migration.sql');
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, sql);
  return file;
}

async function committedSchema(): Promise<string | undefined> {
  try {
    return (await promisify(execFile)('git', ['show', 'HEAD:prisma/schema.prisma'], { cwd: ROOT })).stdout;
  } catch {
    return undefined;
  }
}

async function migrationNames(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
}

async function migrationList(folder: string) {
  const names = await migrationNames(folder);
  return {
    baseDir: folder,
    lockfile: { path: 'migration_lock.toml', content: 'provider = "postgresql"\n' },
    shadowDbInitScript: '',
    migrationDirectories: await Promise.all(
      names.map(async (path) => ({
        path,
        migrationFile: {
          path: 'migration.sql',
          content: { tag: 'ok' as const, value: await readFile(join(folder, path, 'migration.sql'), 'utf8') },
        },
      })),
    ),
  };
}

// A migration of one statement that builds an index, with comments before it.
const CONCURRENT_INDEX = /^(?:\s*--.*\n)*\s*create (?:unique )?index concurrently (\w+)/i;

/**
 * Builds an index while others write, which no transaction can do. It waits for transactions that began before it, and blocks nobody meanwhile.
 * A try that failed leaves an index that nothing uses, which the next one drops.
 */
async function buildIndex(pool: pg.Pool, index: string, script: string): Promise<void> {
  await patiently(() => pool.query(`drop index concurrently if exists ${index}`));
  const client = await pool.connect();
  try {
    await client.query('set lock_timeout = 0');
    await client.query(script);
  } finally {
    // The connection ends, and its setting with it.
    client.release(true);
  }
}

/** Runs a migration as it is written, in one transaction: Prisma's adapter cuts scripts at every semicolon, those inside of functions too. */
class WholeScripts extends PrismaPg {
  readonly #pool: pg.Pool;
  /** What PostgreSQL said of the script that failed: the engine only says which one it was. */
  failure: Error | undefined;

  constructor(pool: pg.Pool) {
    super(pool);
    this.#pool = pool;
  }

  override async connect() {
    const adapter = await super.connect();
    adapter.executeScript = async (script) => {
      try {
        const [, index] = CONCURRENT_INDEX.exec(script) ?? [];
        if (index) await buildIndex(this.#pool, index, script);
        else await patiently(() => this.#pool.query(script));
      } catch (error) {
        this.failure = error as Error;
        throw error;
      }
    };
    return adapter;
  }
}

type Engine = import('@prisma/schema-engine-wasm').SchemaEngine;

async function withEngine<T>(databaseUrl: string, work: (engine: Engine) => Promise<T>): Promise<T> {
  const [glue, { bindMigrationAwareSqlAdapterFactory }] = await Promise.all([
    import('@prisma/schema-engine-wasm/schema_engine_bg' as string),
    import('@prisma/driver-adapter-utils'),
  ]);
  const wasm = await readFile(
    join(dirname(createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm/schema_engine_bg')), 'schema_engine_bg.wasm'),
  );
  const { instance } = await WebAssembly.instantiate(wasm, { './schema_engine_bg.js': glue });
  glue.__wbg_set_wasm(instance.exports);
  (instance.exports as unknown as { __wbindgen_start(): void }).__wbindgen_start();
  const pool = new pg.Pool({
    Client: openHosts(databaseUrl).Client,
    lock_timeout: LOCK_TIMEOUT_MS,
    onConnect: (client) => client.query(WITHOUT_LIMIT),
  });
  const scripts = new WholeScripts(pool);
  const adapter = bindMigrationAwareSqlAdapterFactory(scripts);
  const engine: Engine = await glue.SchemaEngine.new({ datamodels: [[SCHEMA, await readFile(SCHEMA, 'utf8')]] }, () => {}, adapter);
  try {
    return await work(engine);
  } catch (error) {
    throw scripts.failure ?? error;
  } finally {
    engine.free();
    await pool.end();
  }
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { help: { type: 'boolean' } } });
  const [command, name] = positionals;
  if (values.help || (command && (command !== 'create' || !/^[a-z0-9_]+$/.test(name ?? '')))) {
    process.stdout.write(HELP);
    if (!values.help) process.exitCode = 1;
    return;
  }
  const databaseUrl = readDatabaseUrl();
  if (command === 'create') {
    console.log((await create(databaseUrl, name as string)) ?? 'prisma/schema.prisma is as it was last committed: nothing to write');
    return;
  }
  const applied = await migrate(databaseUrl);
  console.log(applied.length ? `applied ${applied.join(', ')}` : 'nothing to apply');
}

if (import.meta.main) {
  main().then(
    // The engine leaves a timer of ten seconds behind that nobody waits for.
    () => process.exit(),
    (error) => {
      console.error(`migrate: ${error.message || error.code || error}`);
      process.exit(1);
    },
  );
}
