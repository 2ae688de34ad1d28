import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { createAdaptiveLimit } from './adaptive-limit.ts';
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
  /** For everything that is not asked at every request. */
  prisma: PrismaClient;
  /**
   * Runs a statement that reads, as a named prepared one: parsed and planned once a connection, a fifth of the cost of Prisma's own way.
   * @throws DatabaseUnavailable, or pg's DatabaseError with its SQLSTATE in `code`.
   */
  query<Row>(statement: Statement): Promise<Row[]>;
  /** Runs a statement that writes, in the same way, apart from those that read: it waits for a disk and for others' locks. */
  change<Row>(statement: Statement): Promise<Row[]>;
  /** Runs a statement that may take its time, and that nobody waits for. */
  aside<Row>(statement: Statement): Promise<Row[]>;
  /** Runs statements in their order in one transaction. @returns the rows of each, for one that returns some. */
  transaction(statements: Statement[]): Promise<unknown[][]>;
  /** Hears what is told on a channel, on a connection beside the others that is made again when it is lost. @param missed called when it begins to hear: whatever was told before went by. */
  listen(channel: string, hear: (message: string) => void, missed: () => void): Listening;
  /** See vacuum.ts. @throws DatabaseUnavailable */
  vacuum(table: string, signal: AbortSignal): Promise<void>;
  /** Ends within two seconds, so that readiness can answer. This process then has the database's time (database-time.ts). @throws DatabaseUnavailable */
  ping(): Promise<void>;
  close(): Promise<void>;
};

// Whoever cannot be served is told 503 within three seconds. A request may wait for a connection and then for a statement that a lock
// holds up, so the two together stay below that; readiness, which waits for one statement, is to answer within two.
const CONNECTION = {
  connectionTimeoutMillis: 1_000,
  // A statement that takes longer than this has met a fault, not a large table.
  statement_timeout: 1_500,
  // Longer than the above: the database is to give up first, since only then is it certain that nothing was done.
  query_timeout: 1_800,
  keepAlive: true,
};

// A prepared statement is planned once. Left to itself, Postgres plans one with arrays at each execution, which costs more than running it.
const ONE_PLAN = '-c plan_cache_mode=force_generic_plan';

const POOL = { ...CONNECTION, max: 10, idleTimeoutMillis: 30_000 };

// A read that is sent and not waited for does no harm, so what a slow database can take is found by trying.
const READING = { connections: 3, more: 3, depth: Number.POSITIVE_INFINITY, patienceMs: 1_000 };
const READS = { least: 24, start: 100, most: 1_000, lateMs: CONNECTION.statement_timeout / 2 };

// A write that was sent is done some time, whatever those who asked for it were told meanwhile. So few stand behind one another, and each
// may wait for others' locks for so short a time, that the database has given up on the last before anybody is told 503. It is longer
// than the second after which Postgres finds a deadlock, which is not an outage: see unit-of-work.ts.
const WRITE_CONNECTION = { ...CONNECTION, statement_timeout: 1_150, query_timeout: 2_500 };
const WRITING = { connections: 6, more: 6, depth: 2, patienceMs: 400 };
// As many as there are places: what they took says how long others would wait.
const WRITES = { least: 24, start: 24, most: 24, lateMs: CONNECTION.statement_timeout / 2 };

/**
 * Opens the pool, which Prisma and transactions use, and two pipelines, for single reads and single writes of ours.
 * Connects at first use, 20 times at most: 10 of the pool, 3 that read, 6 that write, and 1 that listens. While statements are slow, there
 * are up to 3 more that read and 6 more that write.
 * @param directUrl where a connection stays the same from one transaction to the next: for LISTEN and VACUUM.
 */
export function openDatabase(url: string, log: Log, directUrl = url): Database {
  const { Client, pooled } = openHosts(url);
  const prepared = pooled ? unnamed : named;
  const pool = new pg.Pool({ ...POOL, Client });
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
  // An idle connection that breaks is replaced by the pool; without a listener it would end the process.
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
        await connection.query('begin');
        const answers: unknown[][] = [];
        for (const statement of statements) answers.push((await connection.query(prepared(statement))).rows);
        await connection.query('commit');
        connection.release();
        return answers;
      } catch (error) {
        // A connection that cannot answer, or roll back, is closed, and the server rolls back for it.
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

// The texts are ours and few; their names must be short, and the same text must have the same name.
const names = new Map<string, string>();

function named({ text, values }: Statement) {
  let name = names.get(text);
  if (!name) {
    name = `s${names.size}`;
    names.set(text, name);
  }
  return { name, text, values };
}

/** For a pooler: the next transaction has another connection, which does not know the name. */
function unnamed({ text, values }: Statement) {
  return { text, values };
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

/** Tells a database that cannot answer from a statement that is wrong. */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof AppError) return error instanceof DatabaseUnavailable;
  const state = sqlState(error);
  if (state) return isStateOfOutage(state);
  if (error instanceof Prisma.PrismaClientKnownRequestError && ['P1001', 'P1002', 'P1008', 'P1017', 'P2024', 'P2028'].includes(error.code))
    return true;
  return error instanceof Error && (UNAVAILABLE_TEXT.test(textOf(error)) || isUnavailable(error.cause));
}

/** A host of several addresses, such as localhost, fails with one error for all of them, which has a code and no message. */
const textOf = (error: Error) => `${error.message} ${(error as NodeJS.ErrnoException).code ?? ''}`;

/**
 * Whether Postgres can keep a value: it refuses NUL, and a lone surrogate is no character at all (RFC 3629 section 3).
 * Asked before anything a stranger sent is stored or looked up by: otherwise anyone causes an error of ours.
 */
export function isStorable(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed() && !value.includes('\0');
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(value).every(([key, member]) => isStorable(key) && isStorable(member));
}
