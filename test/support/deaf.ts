import pg from 'pg';
import { LISTENER_NAME } from '../../src/platform/listen.ts';
import type { TestServer } from './environment.ts';
import { eventually } from './eventually.ts';

/** Takes from all nodes the connection on which they hear of changes, and lets none be made, until the work is done. Everything else stays connected. */
export async function whileDeaf<T>(server: TestServer, work: () => Promise<T>): Promise<T> {
  const name = new URL(server.config.databaseUrl).pathname.slice(1);
  // From outside: nobody may shut the door of the database he is in.
  const outside = new pg.Client({ connectionString: process.env['TEST_DATABASE_URL'] });
  await outside.connect();
  const listening = `pg_stat_activity where datname = '${name}' and application_name = '${LISTENER_NAME}'`;
  // Pools let go of connections that rest: what the work will ask with is made now.
  await Promise.all([server.sql('select 1'), server.database.transaction([]), server.database.ping()]);
  try {
    await outside.query(`alter database ${name} allow_connections false`);
    await outside.query(`select pg_terminate_backend(pid) from ${listening}`);
    await eventually('nobody listens', async () => (await outside.query(`select 1 from ${listening}`)).rowCount === 0);
    return await work();
  } finally {
    await outside.query(`alter database ${name} allow_connections true`);
    await outside.end();
  }
}
