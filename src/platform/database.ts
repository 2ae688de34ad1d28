import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { AppError, DatabaseUnavailable } from './errors.ts';
import type { Log } from './log.ts';
import { Prisma, PrismaClient } from './prisma/client.ts';

export { Prisma };

/** What a store is written against: the client, or a transaction of it. */
export type Sql = Pick<PrismaClient, '$queryRaw' | '$executeRaw'>;

export type Database = {
  prisma: PrismaClient;
  /** Ends within two seconds, so that readiness can answer. @throws DatabaseUnavailable */
  ping(): Promise<void>;
  close(): Promise<void>;
};

const POOL = {
  max: 10,
  // How long a request waits for a free connection before it is told 503: shorter than anyone's patience.
  connectionTimeoutMillis: 2_000,
  idleTimeoutMillis: 30_000,
  // A statement that takes longer than this has met a fault, not a large table.
  statement_timeout: 5_000,
  query_timeout: 6_000,
  keepAlive: true,
};

/** Opens the one pool; Prisma and hand-written statements share it. Connects at first use. */
export function openDatabase(url: string, log: Log): Database {
  const pool = new pg.Pool({ connectionString: url, ...POOL });
  // An idle connection that breaks is replaced by the pool; without a listener it would end the process.
  pool.on('error', (error) => log.warn({ event: 'database_connection_lost', reason: error.message }));
  const prisma = new PrismaClient({ adapter: new PrismaPg(pool), log: [] }).$extends({
    query: {
      async $allOperations({ args, query }) {
        try {
          return await query(args);
        } catch (error) {
          throw isUnavailable(error) ? new DatabaseUnavailable(error) : error;
        }
      },
    },
  }) as unknown as PrismaClient;
  return {
    prisma,
    async ping() {
      await prisma.$queryRaw`select 1`;
    },
    async close() {
      await prisma.$disconnect();
      await pool.end();
    },
  };
}

// Lost or refused connections, a full pool, a server that is starting, stopping or out of room (SQLSTATE classes 08, 53, 57P; 25006 is a standby).
const UNAVAILABLE_STATE = /^(08...|53...|57P..|57014|25006)$/;
const UNAVAILABLE_TEXT =
  /ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|timeout exceeded when trying to connect|Connection terminated|Query read timeout|Can't reach database server|Server has closed the connection|Unable to start a transaction|Transaction (already closed|not found)/i;

/** Tells a database that cannot answer from a statement that is wrong. */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof AppError) return error instanceof DatabaseUnavailable;
  const state = sqlState(error);
  if (state) return UNAVAILABLE_STATE.test(state);
  if (error instanceof Prisma.PrismaClientKnownRequestError && ['P1001', 'P1002', 'P1008', 'P1017', 'P2024', 'P2028'].includes(error.code))
    return true;
  return error instanceof Error && (UNAVAILABLE_TEXT.test(error.message) || isUnavailable(error.cause));
}

/** The SQLSTATE of a failed statement, through whatever wrapped it; undefined when there is none. */
export function sqlState(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const known = error as {
    meta?: { code?: string; driverAdapterError?: { cause?: { originalCode?: string } } };
    originalCode?: string;
    cause?: unknown;
  };
  return (
    known.meta?.driverAdapterError?.cause?.originalCode ??
    known.meta?.code ??
    known.originalCode ??
    (known.cause as { originalCode?: string } | undefined)?.originalCode
  );
}

/**
 * Whether Postgres can keep a value: it refuses NUL, and a lone surrogate is no character at all (RFC 3629 section 3).
 * Asked before anything a stranger sent is stored or looked up by: otherwise anyone causes an error of ours.
 */
export function isStorable(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed() && !value.includes('\0');
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(value).every(([key, member]) => isStorable(key) && isStorable(member));
}
