import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';

/**
 * Owns how a migration gives requests their turn: it waits for locks for a second at most, and it changes rows of a large table in batches.
 *
 * Rows are changed by `backfill.sql` beside `migration.sql`: one statement that changes some thousand rows which still need it, and none once all
 * are as they should be. It runs after the migrations, each time in a transaction of its own, until it changes no row:
 *
 *     update token set colour = 'red' where id in (select id from token where colour is null limit 1000 for update)
 *
 * Not `skip locked`: rows that somebody holds would count as done.
 */

const LOCK_NOT_AVAILABLE = '55P03';
export const LOCK_TIMEOUT_MS = 1_000;
const LOCK_ATTEMPTS = 60;

/**
 * A statement that waits for the lock of a table blocks all later ones. So a migration waits for one second, lets the others pass, and
 * tries again. It is one transaction, so nothing of the failed try remains.
 */
export async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if ((error as { code?: string }).code !== LOCK_NOT_AVAILABLE || attempt === LOCK_ATTEMPTS) throw error;
      await pause(LOCK_TIMEOUT_MS);
    }
  }
}

// What Prisma keeps a failed migration's output in; ours have none once they are applied.
const BACKFILLED = 'backfilled';

/** Runs the batches that are not finished yet. One that is interrupted goes on at the next run. */
export async function backfill(client: pg.Client, folder: string): Promise<void> {
  await client.query(`set lock_timeout = ${LOCK_TIMEOUT_MS}`);
  for (const name of await unfinished(client, folder)) {
    const statement = await readFile(join(folder, name, 'backfill.sql'), 'utf8');
    while ((await patiently(() => client.query(statement))).rowCount) {
      // The next batch, once the one before is committed.
    }
    await client.query('update _prisma_migrations set logs = $2 where migration_name = $1', [name, BACKFILLED]);
  }
}

export async function areBackfilled(client: pg.Client, folder: string): Promise<boolean> {
  return (await unfinished(client, folder)).length === 0;
}

/** Names of migrations that have batches, and are not recorded as finished with them. */
async function unfinished(client: pg.Client, folder: string): Promise<string[]> {
  const files = await readdir(folder, { recursive: true });
  const named = files.filter((file) => /[/\\]backfill\.sql$/.test(file)).map((file) => file.split(/[/\\]/)[0] as string);
  if (!named.length) return [];
  const { rows } = await client.query('select migration_name from _prisma_migrations where logs = $1', [BACKFILLED]);
  const finished = new Set(rows.map((row) => row.migration_name));
  return named.filter((name) => !finished.has(name)).sort();
}
