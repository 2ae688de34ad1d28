import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startPostgres } from '../../scripts/bootstrap/postgres.mjs';
import { freePort } from './environment.ts';

/**
 * Two PostgreSQL servers of a test's own: the second is a copy of the first, as it was after the migrations.
 *
 *     const clusters = await startClusters({ standby: true });
 *     after(() => clusters.close());
 */
export type Cluster = {
  port: number;
  sql(text: string): Promise<Record<string, unknown>[]>;
  start(): Promise<void>;
  stop(): Promise<void>;
};

export type Clusters = {
  one: Cluster;
  /** It follows `one` where a standby was asked for. */
  other: Cluster;
  /** An address with the servers in this order. */
  url(clusters: Cluster[], parameters?: string): string;
  close(): Promise<void>;
};

const MIGRATE = join(import.meta.dirname, '../../scripts/migrate.ts');

export async function startClusters({ standby }: { standby: boolean }): Promise<Clusters> {
  const folder = mkdtempSync(join(tmpdir(), 'munjigi-clusters-'));
  // PostgreSQL, which is not root, walks through it.
  execFileSync('chmod', ['755', folder]);
  for (const name of ['one', 'other']) mkdirSync(join(folder, name));
  const ports = [await freePort(), await freePort()] as const;
  const [one, other] = [await cluster(join(folder, 'one'), ports[0]), await cluster(join(folder, 'other'), ports[1])];
  await one.start();
  // In a process of its own: the engine of Prisma does its work once in a process.
  execFileSync(process.execPath, [MIGRATE], { env: { ...process.env, DATABASE_URL: one.url() } });
  await one.stop();
  // With its owner, who is not the one of this process where that is root.
  execFileSync('cp', ['-a', `${folder}/one/.`, `${folder}/other`]);
  if (standby) follow(join(folder, 'other/postgres'), one.url());
  await Promise.all([one.start(), other.start()]);
  return {
    one,
    other,
    url(clusters, parameters = '') {
      const { username, password, pathname } = new URL(one.url());
      const hosts = clusters.map(({ port }) => `127.0.0.1:${port}`).join();
      return `postgres://${username}:${password}@${hosts}${pathname}${parameters}`;
    },
    async close() {
      await Promise.all([one.stop(), other.stop()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function cluster(folder: string, port: number): Promise<Cluster & { url(): string }> {
  let running: { url: string; stop(): Promise<void> } | undefined;
  let url = '';
  return {
    port,
    url: () => url,
    async sql(text) {
      const client = new pg.Client({ connectionString: url });
      client.on('error', () => {});
      await client.connect();
      return (await client.query(text).finally(() => client.end())).rows;
    },
    async start() {
      running = await startPostgres(folder, { flags: ['fsync=off', `port=${port}`, 'autovacuum=off'] });
      const { username, password, pathname } = new URL(running.url);
      url = `postgres://${username}:${password}@127.0.0.1:${port}${pathname}`;
    },
    async stop() {
      await running?.stop();
      running = undefined;
    },
  };
}

/** Makes a copy of a stopped cluster its standby. */
function follow(copy: string, primary: string): void {
  const { username, password, port } = new URL(primary);
  const from = `host=127.0.0.1 port=${port} user=${username} password=${password}`;
  appendFileSync(join(copy, 'postgresql.auto.conf'), `primary_conninfo = '${from}'\n`);
  writeFileSync(join(copy, 'standby.signal'), '');
}
