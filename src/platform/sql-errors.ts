import pg from 'pg';
import { Prisma } from './prisma/client.ts';

/**
 * Owns the meaning of failed statements: only this file has SQLSTATE codes of PostgreSQL (its manual's appendix A). Also builds statements
 * that fail on purpose when they find no row.
 */

const UNIQUE_VIOLATION = '23505';
const FOREIGN_KEY_VIOLATION = '23503';
const DIVISION_BY_ZERO = '22012';
const DEADLOCK = '40P01';

/** A standby refuses writes with this code, and so does a read-only primary. */
export const READ_ONLY = '25006';

export const isUniqueViolation = (error: unknown): boolean => sqlState(error) === UNIQUE_VIOLATION;
export const isForeignKeyViolation = (error: unknown): boolean => sqlState(error) === FOREIGN_KEY_VIOLATION;
export const isDeadlock = (error: unknown): boolean => sqlState(error) === DEADLOCK;

/** Whether a statement of mustAffect() or mustFind() failed because there was no row. */
export const foundNothing = (error: unknown): boolean => sqlState(error) === DIVISION_BY_ZERO;

/** Fails, and so rolls back its transaction, unless the statement writes a row. @param statement without `returning`. */
export const mustAffect = (statement: Prisma.Sql): Prisma.Sql =>
  Prisma.sql`with made as (${statement} returning 1) select 1 / (select count(*) from made)`;

/**
 * Fails, and so rolls back its transaction, unless rows exist.
 * @param rows a select, with `for update` to lock them, or a statement with `returning`.
 */
export const mustFind = (rows: Prisma.Sql): Prisma.Sql => Prisma.sql`with found as materialized (${rows}) select 1 / count(*) from found`;

// Lost or refused connections, a full pool, a server that is starting, stopping or out of resources (SQLSTATE classes 08, 53, 57P). 25006
// is a standby, and 55000 a database that accepts no connections now. 26000 and 42P05 occur on a pipeline. There the first statement of a
// name carries its SQL text. If that statement is cancelled, this one cannot run, so both fail.
const UNAVAILABLE_STATE = /^(08...|53...|57P..|57014|25006|26000|42P05|55000)$/;
export const isStateOfOutage = (state: string): boolean => UNAVAILABLE_STATE.test(state);

/** @returns the SQLSTATE of a failed statement, through any wrapping error; undefined when there is none. */
export function sqlState(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if (error instanceof pg.DatabaseError) return error.code;
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
