import { setTimeout as sleep } from 'node:timers/promises';
import { type Database, Prisma, type Statement } from '../../platform/database.ts';
import type { Log } from '../../platform/log.ts';
import { endExpiredGrants } from './grants.ts';
import { endUnusedClients, seeClientsOf } from './unused-clients.ts';

/**
 * Owns the deletion of expired rows, so that no operator needs a job for it. Expired rows are invisible already, because every
 * statement that reads them asks the database's clock. So deletion can wait, and requests go first.
 */

const EVERY_MS = 60_000;
const BATCH_ROWS = 1_000;

// After each batch the database serves requests only. The pause lasts at least REST_MS, which allows some 30,000 rows a second.
// It also lasts REST times as long as the batch took, so that a slow database is pruned slowly.
const REST_MS = 25;
const REST = 3;

// A table is vacuumed when a larger share of its rows is dead. Autovacuum runs at most once a minute.
const VACUUM_SHARE = 0.1;
const VACUUM_ROWS = 1_000;

// Audit events are stored for a year: long enough for a user to discover that someone else acted.
const KEPT_EVENTS = Prisma.sql`interval '365 days'`;

// Owners see a client's errors for a month. Charts show counts for a year.
const KEPT_ERRORS = Prisma.sql`interval '30 days'`;
const KEPT_COUNTS = Prisma.sql`interval '365 days'`;

// Any number that no other advisory lock uses.
const PRUNE_LOCK = 7_305_114;

/**
 * Each table with the statement that takes its next batch of rows that expired at `from` or later.
 * Grants come late, when few rows are left under them; clients come after grants.
 */
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
  // An account in its grace period has no open grants, so few rows are deleted with it.
  ['user_account', (from) => expiredRows('user_account', from, { since: 'delete_after', batchRows: 100 })],
  ['grant_record', (from) => endExpiredGrants(TURN, from, BATCH_ROWS)],
  ['client', (from) => endUnusedClients(TURN, from)],
];

type Batch = { mine: boolean; rows: number; reached: Date | null };

/** Prunes once a minute until stopped, one run at a time. @returns how to stop; the batch under way still finishes. */
export function keepPruned(database: Database, log: Log, everyMs = EVERY_MS): { stop(): Promise<void> } {
  const ending = new AbortController();
  const { signal } = ending;
  const pruning = (async () => {
    while (await passed(everyMs, signal)) {
      try {
        const rows = await prune(database, signal);
        if (rows) log.info({ event: 'pruned', rows });
      } catch (error) {
        // A run that our own shutdown interrupted is no failure.
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
 * Deletes expired rows in small batches and skips locked ones. Every node may call it at any time:
 * the node with the advisory lock works, and the others return at once.
 * @param signal stops it after the batch under way. @returns rows deleted.
 * @throws DatabaseUnavailable; batches deleted before stay deleted.
 */
export async function prune(database: Database, signal: AbortSignal = new AbortController().signal): Promise<number> {
  let total = 0;
  for (const [table, batch] of TABLES) {
    const turn = await sweep(database, table, batch, signal);
    total += turn.rows;
    // Another node is pruning.
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
      // Reset even if vacuum could not remove the rows because of an open transaction: an immediate retry would not help.
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

// Lock and work are one statement, so the lock ends with its transaction even if this process dies.
const TURN = Prisma.sql`turn as materialized (select pg_try_advisory_xact_lock(${Prisma.raw(String(PRUNE_LOCK))}::bigint) as mine)`;

/**
 * Deletes in the order of expiry, starting where the last batch ended. Entries of deleted rows are still in the index, and are not scanned
 * again.
 *
 *     Limit 1000: LockRows, Index Scan using token_expires_at_idx
 *     Delete: Tid Scan on token
 *
 * @param issued whether the rows were issued to clients, which are then marked as used.
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

/** @returns whether the time passed without interruption. */
function passed(ms: number, signal: AbortSignal): Promise<boolean> {
  return sleep(ms, true, { signal }).catch(() => false);
}
