import { PrismaPg } from '@prisma/adapter-pg';
import { createAdaptiveLimit } from './adaptive-limit.ts';
import { ConnectionPool } from './connection-pool.ts';
import { openHosts } from './database-hosts.ts';
import { createDatabaseTime } from './database-time.ts';
import { AppError, DatabaseUnavailable } from './errors.ts';
import { type Listening, openListener } from './listen.ts';
import type { Log } from './log.ts';
import { openPipeline } from './pipeline.ts';
import { Prisma, PrismaClient } from './prisma/client.ts';
import { tellRefused } from './refused-statements.ts';
import { isStateOfOutage, sqlState } from './sql-errors.ts';
import { vacuum } from './vacuum.ts';

export { Prisma };

/** A statement and its values, composed with Prisma.sql. */
export type Statement = Prisma.Sql;

export type Database = {
  /** For queries that do not run at every request. */
  prisma: PrismaClient;
  /**
   * Runs a read as a named prepared statement. Each connection parses and plans it once, which costs a fifth of Prisma's own query.
   * @throws DatabaseUnavailable, or pg's DatabaseError with its SQLSTATE in `code`.
   */
  query<Row>(statement: Statement): Promise<Row[]>;
  /** Runs a write in the same way, on connections separate from the reads: a write waits for a disk and for locks. */
  change<Row>(statement: Statement): Promise<Row[]>;
  /** Runs a statement that may be slow and that no request waits for. */
  aside<Row>(statement: Statement): Promise<Row[]>;
  /** Runs statements in order in one transaction. @returns the rows of each statement. */
  transaction(statements: Statement[]): Promise<unknown[][]>;
  /**
   * Listens on a channel, on a connection of its own that is opened again when it is lost.
   * @param missed called when listening begins: earlier notifications were missed.
   */
  listen(channel: string, hear: (message: string) => void, missed: () => void): Listening;
  /** See vacuum.ts. @throws DatabaseUnavailable */
  vacuum(table: string, signal: AbortSignal): Promise<void>;
  /**
   * Ends within two seconds, so that readiness can answer. It also takes over the database's time (database-time.ts).
   * @throws DatabaseUnavailable
   */
  ping(): Promise<void>;
  close(): Promise<void>;
};

// How long a request waits for a connection.
const PATIENCE_MS = 1_000;

// The server answers 503 within three seconds when it cannot serve a request. A request may wait for a connection, then for a statement
// behind a lock, so both limits together stay below that. Readiness waits for one statement and must answer within two seconds.
const CONNECTION = {
  // A connection takes several round trips to open. No request waits so long, but the connection serves later ones.
  connectionTimeoutMillis: 3_000,
  // A statement that takes longer has met a fault, not a large table.
  statement_timeout: 1_500,
  // Longer than `statement_timeout`: the database must give up first, because only then is it certain that nothing was written.
  query_timeout: 1_800,
  keepAlive: true,
};

// A prepared statement is planned once. By default Postgres plans a statement with arrays at each execution, which costs more than running
// it.
const ONE_PLAN = '-c plan_cache_mode=force_generic_plan';

const POOL = { ...CONNECTION, pipeline: true, patienceMs: PATIENCE_MS, max: 10, min: 2, idleTimeoutMillis: 30_000 };

// A read that is sent and then abandoned does no harm. So the server finds by trying how many reads a slow database can take.
const READING = { connections: 3, more: 3, depth: Number.POSITIVE_INFINITY, patienceMs: PATIENCE_MS };
const READS = { least: 24, start: 100, most: 1_000, lateMs: CONNECTION.statement_timeout / 2 };

// A write that was sent is executed, even if its request was already answered 503. So few writes queue behind one another, and each waits
// for locks only briefly. The database has then given up on the last write before any request is answered 503. The limit is longer than the
// second after which Postgres detects a deadlock, which is not an outage: see unit-of-work.ts.
const WRITE_CONNECTION = { ...CONNECTION, statement_timeout: 1_150, query_timeout: 2_500 };
const WRITING = { connections: 6, more: 6, depth: 2, patienceMs: 400 };
// The number of places is fixed; the measured durations only predict how long a write would wait.
const WRITES = { least: 24, start: 24, most: 24, lateMs: CONNECTION.statement_timeout / 2 };

/**
 * Opens the pool, for Prisma and transactions, and two pipelines, for single reads and single writes. Connects at first use, with at most
 * 20 connections: 10 in the pool, 3 for reads, 6 for writes, 1 that listens. While statements are slow, up to 3 more connections read and 6
 * more write.
 * @param directUrl an address where a connection stays the same across transactions, for LISTEN and VACUUM.
 */
export function openDatabase(url: string, log: Log, directUrl = url): Database {
  const { Client, pooled } = openHosts(url);
  const prepared = pooled ? unnamed : named;
  const pool = new ConnectionPool({ ...POOL, Client });
  const limits = { read: createAdaptiveLimit(READS), write: createAdaptiveLimit(WRITES) };
  const refused = tellRefused(limits, log);
  const reading = openPipeline(Client, { ...CONNECTION, options: ONE_PLAN }, { ...READING, limit: limits.read, refused: refused('read') });
  const writing = openPipeline(
    Client,
    { ...WRITE_CONNECTION, options: ONE_PLAN },
    { ...WRITING, limit: limits.write, refused: refused('write') },
  );
  const learnTime = createDatabaseTime(log);
  const listener = openListener(directUrl, { onTime: learnTime });
  // The pool replaces an idle connection that breaks. Without this listener the event would end the process.
  pool.on('error', (error) => log.warn({ event: 'database_connection_lost', reason: error.message }));
  const prisma = new PrismaClient({ adapter: new PrismaPg(pool), log: [] }).$extends({
    query: {
      async $allOperations({ args, query }) {
        return unavailableOr(() => query(args));
      },
    },
  }) as unknown as PrismaClient;
  return {
    prisma,
    async query<Row>(statement: Statement) {
      return (await unavailableOr(() => reading.query(prepared(statement)))).rows as Row[];
    },
    async change<Row>(statement: Statement) {
      return (await unavailableOr(() => writing.query(prepared(statement)))).rows as Row[];
    },
    async aside<Row>(statement: Statement) {
      return (await unavailableOr(() => pool.query(prepared(statement)))).rows as Row[];
    },
    async transaction(statements) {
      const connection = await unavailableOr(() => pool.connect());
      try {
        // All are sent before the first answer. The commit is sent last, once the database has accepted the others: after a lost connection
        // nothing was written.
        const [, ...answers] = await allInOrder([connection.query('begin'), ...statements.map((one) => connection.query(prepared(one)))]);
        await connection.query('commit');
        connection.release();
        return answers.map(({ rows }) => rows);
      } catch (error) {
        // A connection that cannot answer or roll back is closed, and the database rolls back.
        if (isUnavailable(error)) {
          connection.release(true);
          throw new DatabaseUnavailable(error);
        }
        await connection.query('rollback').then(
          () => connection.release(),
          () => connection.release(true),
        );
        throw error;
      }
    },
    vacuum: (table, signal) => unavailableOr(() => vacuum(directUrl, table, signal)),
    async ping() {
      const askedAt = performance.now();
      const [row] = await this.query<{ now: Date }>(Prisma.sql`select clock_timestamp() as now`);
      if (row) learnTime(row.now, askedAt, performance.now());
    },
    listen: listener.on,
    async close() {
      await Promise.all([reading.close(), writing.close(), listener.close()]);
      await prisma.$disconnect();
      await pool.end();
    },
  };
}

// Statement names must be short, and equal texts must have equal names. The server has a fixed, small set of texts.
const names = new Map<string, string>();

function named({ text, values }: Statement) {
  let name = names.get(text);
  if (!name) {
    name = `s${names.size}`;
    names.set(text, name);
  }
  return { name, text, values };
}

/** For a pooler: the next transaction may use another connection, which does not know the name. */
function unnamed({ text, values }: Statement) {
  return { text, values };
}

/** Waits for all. @throws the error of the first that failed; those after it failed because of it. */
async function allInOrder<T>(answers: Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(answers);
  return Promise.all(answers);
}

async function unavailableOr<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw isUnavailable(error) ? new DatabaseUnavailable(error) : error;
  }
}

const UNAVAILABLE_TEXT =
  /ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|timeout exceeded when trying to connect|timeout expired|no database host takes writes|is not queryable|Connection terminated|Query read timeout|Can't reach database server|Server has closed the connection|Unable to start a transaction|Transaction (already closed|not found)/i;

/** Distinguishes a database that cannot answer from an invalid statement. */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof AppError) return error instanceof DatabaseUnavailable;
  const state = sqlState(error);
  if (state) return isStateOfOutage(state);
  if (error instanceof Prisma.PrismaClientKnownRequestError && ['P1001', 'P1002', 'P1008', 'P1017', 'P2024', 'P2028'].includes(error.code))
    return true;
  return error instanceof Error && (UNAVAILABLE_TEXT.test(textOf(error)) || isUnavailable(error.cause));
}

/** A host with several addresses, such as localhost, fails with one error for all of them. That error has a code and no message. */
const textOf = (error: Error) => `${error.message} ${(error as NodeJS.ErrnoException).code ?? ''}`;

/**
 * Whether Postgres can store a value: it refuses NUL, and a lone surrogate is not a valid character (RFC 3629 section 3). Callers check a
 * stranger's input before they store it or look it up. Otherwise such input causes an internal error.
 */
export function isStorable(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed() && !value.includes('\0');
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(value).every(([key, member]) => isStorable(key) && isStorable(member));
}
