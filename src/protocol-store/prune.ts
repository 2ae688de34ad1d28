import { type Database, Prisma } from '../platform/database.ts';

/** Owns the leaving of expired rows: nobody has to arrange a job for it. */

const BATCH_ROWS = 1_000;

// Any number will do, as long as nobody else takes it.
const PRUNE_LOCK = 7_305_114;

// Grants last: they go one by one with what hangs on them, and by then little does.
const TABLES = ['protocol_record', 'authorization_code', 'token', 'session', 'grant_record'];

/**
 * Deletes expired rows in small batches, skipping what others hold. Every node may call it at any time:
 * the one that has the advisory lock works, the others return at once.
 * @returns rows deleted.
 */
export async function prune(database: Database): Promise<number> {
  let total = 0;
  for (const table of TABLES) {
    let deleted: number;
    do {
      deleted = await pruneBatch(database, Prisma.raw(table));
      total += deleted;
    } while (deleted === BATCH_ROWS);
  }
  return total;
}

async function pruneBatch(database: Database, table: Prisma.Sql): Promise<number> {
  // The lock and the work are one statement, so the lock is gone with its transaction even when this process dies.
  const rows = await database.query(Prisma.sql`
    with turn as materialized (select pg_try_advisory_xact_lock(${PRUNE_LOCK}::bigint) as mine),
    expired as (select ctid from ${table} where (select mine from turn) and expires_at <= now() limit ${BATCH_ROWS} for update skip locked)
    delete from ${table} using expired where ${table}.ctid = expired.ctid returning 1`);
  return rows.length;
}
