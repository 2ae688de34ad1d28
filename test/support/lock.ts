import pg from 'pg';
import { waitUntil } from './processes.ts';

/** Holds what statements want, so that they wait: each of them on a connection of its own, or behind one that waits. */
export type Lock = {
  /** Until so many statements of this database wait for a lock. */
  awaited(statements: number): Promise<void>;
  /** Once or more often. */
  release(): Promise<void>;
};

// Of this database alone: the tests beside have locks of their own in the same cluster.
const WAITING = "select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";

/** Statements that wait for a lock now. */
export function waitingForLocks(server: { sql(text: string): Promise<Record<string, unknown>[]> }): Promise<Record<string, unknown>[]> {
  return server.sql(WAITING);
}

/** @param mode `access exclusive` stops readers too, `share row exclusive` writers alone. */
export function holdTable(databaseUrl: string, table: string, mode = 'share row exclusive'): Promise<Lock> {
  return hold(databaseUrl, `lock table ${table} in ${mode} mode`);
}

/** @param token value of a token, not its digest. */
export function holdToken(databaseUrl: string, token: string): Promise<Lock> {
  return hold(databaseUrl, 'select from token where id = sha256($1::bytea) for update', [Buffer.from(token)]);
}

async function hold(databaseUrl: string, statement: string, values: unknown[] = []): Promise<Lock> {
  const client = new pg.Client({ connectionString: databaseUrl });
  // Activity stays as it was first seen until a transaction ends, so it is watched from outside of this one.
  const watching = new pg.Client({ connectionString: databaseUrl });
  await watching.connect();
  let held = true;
  await client.connect();
  await client.query('begin');
  await client.query(statement, values);
  return {
    awaited: (statements) =>
      waitUntil(async () => {
        return ((await watching.query(WAITING)).rowCount ?? 0) >= statements;
      }),
    async release() {
      if (!held) return;
      held = false;
      await client.query('rollback');
      await Promise.all([client.end(), watching.end()]);
    },
  };
}
