import { resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { ROOT } from '../bootstrap/node.mjs';
import { startPostgres } from '../bootstrap/postgres.mjs';
import { speakTo } from '../bootstrap/say.mjs';
import { isMigrated, migrate } from '../migrate.ts';

/**
 * Owns the database of a command where DATABASE_URL is not set: the PostgreSQL in DATA_DIR that `npm start` runs. If it runs, the command uses it.
 * If not, it runs for the command, and its tables are made as `npm start` makes them.
 */

export async function withEmbeddedDatabase(work: () => Promise<number>): Promise<number> {
  const { env } = process;
  // stdout belongs to the command.
  speakTo(process.stderr);
  const postgres = await startPostgres(resolve(ROOT, env['DATA_DIR'] || '.data'));
  try {
    env['DATABASE_URL'] = postgres.url;
    if (!(await isMigrated(postgres.url))) await migrate(postgres.url);
    return await work();
  } finally {
    if (postgres.started && !(await isShared(postgres.url))) await postgres.stop();
  }
}

// The server still lists connections of this command for a moment after they closed.
const LOOKS = 20;
const LOOK_AGAIN_MS = 100;

/** Another program, such as `npm start` or a second command, may have found this PostgreSQL running, and works with it. */
async function isShared(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    for (let look = 1; ; look++) {
      const { rows } = await client.query(
        "select 1 from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()",
      );
      if (!rows.length || look === LOOKS) return rows.length > 0;
      await pause(LOOK_AGAIN_MS);
    }
  } finally {
    await client.end();
  }
}
