import pg from 'pg';
import { waitUntil } from './processes.ts';

/** Holds a lock on a table: statements that want it wait. @param mode `access exclusive` stops readers too, `share row exclusive` writers alone. */
export async function holdLock(databaseUrl: string, table: string, mode = 'share row exclusive') {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query('begin');
  await client.query(`lock table ${table} in ${mode} mode`);
  return {
    /** Until so many statements wait for it. */
    awaited: (statements: number) =>
      waitUntil(async () => {
        const { rows } = await client.query(
          'select 1 from pg_locks where not granted and relation = $1::regclass and database = (select oid from pg_database where datname = current_database())',
          [table],
        );
        return rows.length >= statements;
      }),
    async release() {
      await client.query('rollback');
      await client.end();
    },
  };
}
