import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { freePort } from '../bootstrap/free-port.mjs';
import { ROOT } from '../bootstrap/node.mjs';
import { startPostgres } from '../bootstrap/postgres.mjs';

/** Owns the PostgreSQL servers of the trials: started, killed, copied while they run, and promoted. */
export type Cluster = {
  url: string;
  port: number;
  folder: string;
  /** Runs statements as superuser, one after another, on a connection of its own. */
  sql(...statements: string[]): Promise<Record<string, unknown>[]>;
  /** Stops it as an operator does. */
  stop(): Promise<void>;
  /** Kills the postmaster, and every backend with it, as a machine that loses power. */
  kill(): void;
  /** Starts it again on the same port, and on what is on its disk. */
  start(): Promise<void>;
  /** Whether its postmaster runs. */
  isRunning(): boolean;
  /** Stops it and deletes its files. */
  drop(): Promise<void>;
};

export type ClusterOptions = {
  /** Settings of PostgreSQL, `name=value`. */
  flags?: string[];
  /** Where its files are; a new temporary folder without this. */
  folder?: string;
  /** A free one without this. */
  port?: number;
};

// Those that run when this process ends early, which must not outlive it.
const running = new Set<string>();
process.on('exit', () => {
  for (const folder of running) {
    if (existsSync(join(folder, 'postgres/postmaster.pid'))) process.kill(postmaster(folder), 'SIGQUIT');
    rmSync(folder, { recursive: true, force: true });
  }
});

// The disk is waited for, as in production. A trial makes a dozen connections for each node.
const FLAGS = ['max_connections=200', 'wal_level=replica', 'max_wal_senders=5', 'wal_keep_size=256MB'];

export async function openCluster({ flags = [], folder, port: wanted }: ClusterOptions = {}): Promise<Cluster> {
  const port = wanted ?? (await freePort());
  return startCluster(port, folder ?? mkdtempSync(join(tmpdir(), 'munjigi-faults-')), flags);
}

async function startCluster(port: number, folder: string, flags: string[]): Promise<Cluster> {
  // The last word counts: the port is the same at each start.
  const options = { flags: [...FLAGS, `port=${port}`, ...flags] };
  await mkdir(folder, { recursive: true });
  await chmod(folder, 0o755);
  running.add(folder);
  let postgres = await startPostgres(folder, options);
  const url = new URL(postgres.url);
  url.port = String(port);
  return {
    url: url.href,
    port,
    folder,
    sql: (...statements) => onServer(url.href, statements),
    stop: () => postgres.stop(),
    kill: () => process.kill(postmaster(folder), 'SIGKILL'),
    async start() {
      postgres = await startPostgres(folder, options);
    },
    isRunning: () => runs(folder),
    async drop() {
      await postgres.stop();
      running.delete(folder);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A new database on the cluster with the schema of today. @returns its URL. */
export async function newDatabase(cluster: Cluster): Promise<string> {
  const name = `faults_${randomBytes(6).toString('hex')}`;
  const [template] = await cluster.sql("select 1 from pg_database where datname = 'faults_template'");
  const at = (database: string) => Object.assign(new URL(cluster.url), { pathname: `/${database}` }).href;
  if (!template) {
    await cluster.sql('create database faults_template');
    await migrated(at('faults_template'));
  }
  await cluster.sql(`create database ${name} template faults_template`);
  return at(name);
}

/** In a process of its own: the migration engine does not run twice in one. @param root of the version whose schema it is to be. */
export async function migrated(databaseUrl: string, root = ROOT): Promise<void> {
  await promisify(execFile)(process.execPath, [join(root, 'scripts/migrate.ts')], { env: { ...process.env, DATABASE_URL: databaseUrl } });
}

/**
 * Copies a running cluster, as pg_basebackup does, with the WAL that makes the copy consistent.
 * @returns the folder with the copy, which openCluster() starts.
 */
export async function copyCluster(cluster: Cluster): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'munjigi-faults-'));
  const [from, to] = [join(cluster.folder, 'postgres'), join(folder, 'postgres')];
  const client = new pg.Client({ connectionString: cluster.url });
  await client.connect();
  try {
    await client.query("select pg_backup_start('faults', true)");
    await copy(from, to);
    const { rows } = await client.query('select labelfile, spcmapfile from pg_backup_stop(false)');
    // Written last: it names the WAL that must be replayed, which has to be there whole.
    await copy(join(from, 'pg_wal'), join(to, 'pg_wal'));
    await own(join(to, 'backup_label'), rows[0].labelfile, from);
  } finally {
    await client.end();
  }
  for (const file of ['postmaster.pid', 'postmaster.opts']) rmSync(join(to, file), { force: true });
  await copy(join(cluster.folder, 'postgres-password'), join(folder, 'postgres-password'));
  return folder;
}

/** Starts a hot standby that follows the cluster by streaming replication. */
export async function openStandby(primary: Cluster, port: number): Promise<Cluster> {
  const folder = await copyCluster(primary);
  await own(join(folder, 'postgres/standby.signal'), '', join(primary.folder, 'postgres'));
  const { hostname, username, password } = new URL(primary.url);
  const conninfo = `host=${hostname} port=${primary.port} user=${username} password=${password} application_name=standby`;
  const settings = join(folder, 'postgres/postgresql.auto.conf');
  await own(settings, `${readFileSync(settings, 'utf8')}primary_conninfo = '${conninfo}'\n`, join(primary.folder, 'postgres'));
  return openCluster({ folder, port });
}

async function copy(from: string, to: string): Promise<void> {
  const into = existsSync(to) ? [`${from}/.`, to] : [from, to];
  // Files of a running server may disappear while they are copied, which the WAL makes good.
  await promisify(execFile)('cp', ['-a', ...into]).catch((error) => {
    const others = String(error.stderr)
      .split('\n')
      .filter((line) => line && !/No such file/.test(line));
    if (others.length) throw error;
  });
}

/** Writes a file that belongs to the owner of `like`, for PostgreSQL reads no other. */
async function own(file: string, content: string, like: string): Promise<void> {
  await writeFile(file, content, { mode: 0o600 });
  await promisify(execFile)('chown', [`--reference=${like}`, file]);
}

const postmaster = (folder: string) => Number(readFileSync(join(folder, 'postgres/postmaster.pid'), 'utf8').split('\n')[0]);

function runs(folder: string): boolean {
  try {
    return process.kill(postmaster(folder), 0);
  } catch {
    return false;
  }
}

async function onServer(connectionString: string, statements: string[]): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 5_000 });
  client.on('error', () => {});
  await client.connect();
  try {
    let rows: Record<string, unknown>[] = [];
    for (const statement of statements) rows = (await client.query(statement)).rows;
    return rows;
  } finally {
    await client.end().catch(() => {});
  }
}
