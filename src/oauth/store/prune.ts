import { setTimeout as sleep } from 'node:timers/promises';
import { type Database, Prisma, type Statement } from '../../platform/database.ts';
import type { Log } from '../../platform/log.ts';
import { endExpiredGrants } from './grants.ts';
import { endUnusedClients, seeClientsOf } from './unused-clients.ts';

/**
 * Owns the leaving of expired rows: nobody has to arrange a job for it. What has expired is invisible already
 * (every statement that reads asks the database's clock), so nothing hurries, and requests go first.
 */

const EVERY_MS = 60_000;
const BATCH_ROWS = 1_000;

// After each batch the database is left to requests: for so long at least, which allows some 30,000 rows a second, and for so many
// times as long as the batch took, so that a slow database is pruned slowly.
const REST_MS = 25;
const REST = 3;

// A table of which more than this share is dead is vacuumed before it loses more; autovacuum comes once a minute at best.
const VACUUM_SHARE = 0.1;
const VACUUM_ROWS = 1_000;

// What was done is told for a year: long enough to find out that somebody else did it.
const KEPT_EVENTS = Prisma.sql`interval '365 days'`;

// What went wrong with a client is told its owners for a month; how often things happened is drawn for a year.
const KEPT_ERRORS = Prisma.sql`interval '30 days'`;
const KEPT_COUNTS = Prisma.sql`interval '365 days'`;

// Any number will do, as long as nobody else takes it.
const PRUNE_LOCK = 7_305_114;

/** Each table with the statement that takes its next batch, of what expired at `from` or later. Grants late: by then little hangs on them; clients after them. */
const TABLES: [table: string, batch: (from: Date) => Statement][] = [
  ['authorization_code', (from) => expiredRows('authorization_code', from, { issued: true })],
  ['token', (from) => expiredRows('token', from, { issued: true })],
  ...[
    'protocol_record',
    'session',
    'one_time_token',
    'not_me_link',
    'rate_limit',
    'initial_access_token',
    'mail',
    'upstream_visit',
    'upstream_revocation',
    'client_invitation',
    'idempotency_key',
    'kept_answer',
    'resting_username',
  ].map((table): [string, (from: Date) => Statement] => [table, (from) => expiredRows(table, from)]),
  ['audit_event', (from) => expiredRows('audit_event', from, { since: 'at', age: KEPT_EVENTS })],
  ['client_error', (from) => expiredRows('client_error', from, { since: 'at', age: KEPT_ERRORS })],
  ['hourly_count', (from) => expiredRows('hourly_count', from, { since: 'hour', age: KEPT_COUNTS })],
  // Nothing is open under an account in its days of grace: little goes with it.
  ['user_account', (from) => expiredRows('user_account', from, { since: 'delete_after', batchRows: 100 })],
  ['grant_record', (from) => endExpiredGrants(TURN, from, BATCH_ROWS)],
  ['client', (from) => endUnusedClients(TURN, from)],
];

type Batch = { mine: boolean; rows: number; reached: Date | null };

/** Prunes once a minute until it is stopped, one turn at a time. @returns how to stop: at once, but for the batch under way. */
export function keepPruned(database: Database, log: Log, everyMs = EVERY_MS): { stop(): Promise<void> } {
  const ending = new AbortController();
  const { signal } = ending;
  const pruning = (async () => {
    while (await passed(everyMs, signal)) {
      try {
        const rows = await prune(database, signal);
        if (rows) log.info({ event: 'pruned', rows });
      } catch (error) {
        // What was cut short by our own end is no fault.
        if (!signal.aborted) log.warn({ event: 'prune_failed', reason: (error as Error).message });
      }
    }
  })();
  return {
    stop() {
      ending.abort();
      return pruning;
    },
  };
}

/**
 * Deletes expired rows in small batches, skipping what others hold. Every node may call it at any time:
 * the one that has the advisory lock works, the others return at once.
 * @param signal ends it after the batch under way. @returns rows deleted. @throws DatabaseUnavailable; what was deleted until then is deleted.
 */
export async function prune(database: Database, signal: AbortSignal = new AbortController().signal): Promise<number> {
  let total = 0;
  for (const [table, batch] of TABLES) {
    const turn = await sweep(database, table, batch, signal);
    total += turn.rows;
    // Somebody else is at it.
    if (!turn.mine) break;
  }
  return total;
}

async function sweep(database: Database, table: string, batch: (from: Date) => Statement, signal: AbortSignal) {
  const turn = { rows: 0, mine: true };
  let from = new Date(0);
  let limit: Limit | undefined;
  while (!signal.aborted) {
    const begun = performance.now();
    const [{ mine, rows, reached }] = (await database.aside<Batch>(batch(from))) as [Batch];
    turn.mine = mine;
    turn.rows += rows;
    if (!rows || !reached) break;
    from = reached;
    const took = performance.now() - begun;
    limit ??= await limitOf(database, table);
    limit.dead += rows;
    if (limit.dead > limit.rows) {
      await database.vacuum(table, signal);
      // Even when it could not take them out, for a transaction that may still see them: to try again at once would be of no use.
      limit.dead = 0;
    }
    await passed(Math.max(REST_MS, took * REST), signal);
  }
  return turn;
}

/** How many rows of a table may be dead, and how many are. */
type Limit = { rows: number; dead: number };

async function limitOf(database: Database, table: string): Promise<Limit> {
  const [limit] = await database.aside<Limit>(Prisma.sql`
    select greatest(${VACUUM_ROWS}, ${VACUUM_SHARE} * greatest(reltuples, pg_stat_get_live_tuples(oid)))::float as rows,
      pg_stat_get_dead_tuples(oid)::float as dead
    from pg_class where oid = ${table}::regclass`);
  return limit as Limit;
}

// The lock and the work are one statement, so the lock is gone with its transaction even when this process dies.
const TURN = Prisma.sql`turn as materialized (select pg_try_advisory_xact_lock(${Prisma.raw(String(PRUNE_LOCK))}::bigint) as mine)`;

/**
 * In the order of expiry, from where the last batch ended: what was just deleted is in the index still, and is not walked over again.
 *
 *     Limit 1000: LockRows, Index Scan using token_expires_at_idx
 *     Delete: Tid Scan on token
 *
 * @param issued whether the rows were issued to clients, of which it is noted that they were in use.
 */
function expiredRows(
  name: string,
  from: Date,
  {
    since = 'expires_at',
    age = Prisma.sql`interval '0'`,
    batchRows = BATCH_ROWS,
    issued = false,
  }: { since?: string; age?: Statement; batchRows?: number; issued?: boolean } = {},
): Statement {
  const [table, moment] = [Prisma.raw(name), Prisma.raw(since)];
  const seen = issued ? Prisma.sql`, seen as (${seeClientsOf(Prisma.sql`gone`)})` : Prisma.empty;
  return Prisma.sql`
    with ${TURN},
    expired as materialized (
      select ctid, ${moment} as moment from ${table}
      where (select mine from turn) and ${moment} >= ${from} and ${moment} <= now() - ${age}
      order by ${moment} limit ${batchRows} for update skip locked),
    gone as (delete from ${table} where ctid = any(array(select ctid from expired)) returning ${issued ? Prisma.sql`client_id` : Prisma.sql`1`})${seen}
    select (select mine from turn) as mine, (select count(*)::int from gone) as rows, (select max(moment) from expired) as reached`;
}

/** @returns whether the time passed, and was not cut short. */
function passed(ms: number, signal: AbortSignal): Promise<boolean> {
  return sleep(ms, true, { signal }).catch(() => false);
}
