import { fill, storedTokens, type TableSize } from './fill.ts';
import { freshDatabase, prepareTemplate, TEMPLATE } from './fixtures.ts';
import { GRANT_INDEX } from './kinds/library.ts';
import { createLoad } from './load.ts';
import type { Contestant } from './measure.ts';
import { type Options, PEERS } from './options.ts';
import { startBenchServer } from './servers.ts';
import { runSql } from './sql.ts';
import { countStatements } from './statements.ts';
import { Supplies } from './supplies.ts';

/** Owns who takes part: a database for each kind, a server on it, and the load for that. All are up at once; idle ones cost nothing. */

export type Arena = { postgresUrl: string; dataDir: string; progress(what: string): void };

// The library in memory reads keys from a database as it starts, and nothing later.
const WITHOUT_DATABASE = ['memory'];

/** @returns them in the order in which they take their turns, and the sizes of the tables that were filled. */
export async function enter(
  { kinds, workers, connections, rows }: Options,
  { postgresUrl, dataDir, progress }: Arena,
): Promise<{ contestants: Contestant[]; account: string; sizes: Record<string, TableSize[]> }> {
  const account = await prepareTemplate(postgresUrl);
  const contestants: Contestant[] = [];
  const sizes: Record<string, TableSize[]> = {};
  for (const kind of kinds) {
    const url = await databaseFor(kind, postgresUrl);
    for (const count of kind === 'ours' && workers.length ? workers : [1]) {
      const label = kind === 'ours' && workers.length ? `ours x${count}` : kind;
      progress(`${label} starts`);
      const server = await startBenchServer(kind, url, { dataDir, workers: count, most: Math.max(1, ...workers) });
      // Only now: the peers make their own tables as they start.
      if (rows && !sizes[kind]) sizes[kind] = await fill(kind, url, rows, progress);
      const load = createLoad(server.address, connections);
      contestants.push({ label, server, load, supplies: new Supplies(server, load, account, rows ? storedTokens(kind, rows) : []) });
    }
  }
  return { contestants, account, sizes };
}

/** Statements a request, by kind and operation. */
export async function countAllStatements(
  { kinds, operations }: Options,
  { postgresUrl, dataDir, progress }: Arena,
  account: string,
): Promise<Record<string, Record<string, number>>> {
  const counts: Record<string, Record<string, number>> = {};
  for (const kind of kinds) {
    if (WITHOUT_DATABASE.includes(kind)) continue;
    progress(`${kind}: counting statements`);
    counts[kind] = await countStatements(kind, operations, {
      databaseUrl: await databaseFor(kind, postgresUrl, 'count'),
      dataDir,
      account,
    });
  }
  return counts;
}

async function databaseFor(kind: string, postgresUrl: string, purpose = 'load'): Promise<string> {
  const name = `bench_${kind.replaceAll('-', '_')}_${purpose}`;
  // The peers make their own tables.
  if (PEERS.includes(kind)) return freshDatabase(postgresUrl, name);
  const url = await freshDatabase(postgresUrl, name, TEMPLATE);
  if (kind === 'prisma') await runSql(url, GRANT_INDEX);
  return url;
}
