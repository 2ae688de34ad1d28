import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout } from 'node:timers/promises';
import { type Database, isStorable, isUnavailable, Prisma, type Statement } from '../../platform/database.ts';
import { foundNothing, isDeadlock, isForeignKeyViolation, isUniqueViolation } from '../../platform/sql-errors.ts';

/**
 * Owns the atomicity of a protocol request. Writes are gathered while the library works, and made in one statement before the response
 * leaves.
 * So a code is never consumed without its tokens, nor the reverse. Reads are remembered for the request.
 * No transaction is open during password hashing or requests to other servers.
 */

/** The purpose of a write. An error response issues and consumes nothing; it may still end things. */
export type Purpose = 'issue' | 'consume' | 'end' | 'keep';

export type Write = {
  purpose: Purpose;
  /** What is written, such as a session's digest. A later write with the same subject replaces an earlier one. */
  subject: string;
  /** An insert, update or delete without `returning`. */
  statement: Statement;
  /** The statement calls one of our SQL functions and cannot be part of another statement. */
  apart?: boolean;
  /** The statement ends one row that no other write of this request touches. So it can be part of one statement with the others. */
  alone?: boolean;
  /** The statement must change a row. If another request was first and no row is left to change, the whole unit fails. */
  once?: boolean;
  /** Runs after the commit. */
  written?: () => void;
};

/** Another request consumed a single-use credential first, or the grant or client behind it has ended. */
export class SingleUseLost extends Error {}
// A guarded statement divides by the number of rows it consumed, so a statement that consumed nothing fails as a whole.
type Unit = {
  writes: Map<string, Write>;
  memory: Map<string, Promise<unknown>>;
  clientId: string | undefined;
  /** Whether something of this request was written before its end. */
  changed: boolean;
  last?: (changed: boolean) => Omit<Write, 'subject'> | undefined;
};

const current = new AsyncLocalStorage<Unit>();

/**
 * Runs one protocol request.
 * @param clientId the client that the request names, without proof: only a hint at what will be read next.
 * @param succeeded called after `work`: whether the response is a success.
 * @throws SingleUseLost when another request consumed the same code or token first; nothing was written then.
 */
export async function unitOfWork(
  database: Database,
  work: () => Promise<void>,
  succeeded: () => boolean,
  clientId?: string,
): Promise<void> {
  // The id becomes part of a statement. An id that cannot be stored names no client.
  const unit: Unit = { writes: new Map(), memory: new Map(), clientId: isStorable(clientId) ? clientId : undefined, changed: false };
  await current.run(unit, work);
  const writes = [...unit.writes.values()];
  const due = succeeded() ? writes : writes.filter(({ purpose }) => purpose === 'end' || purpose === 'keep');
  const last = unit.last?.(unit.changed || due.length > 0);
  if (due.length || !last) return commit(database, last ? [...due, last] : due);
  try {
    await commit(database, [last]);
  } catch (error) {
    // What the request changed was written before, so it succeeded.
    if (!isUnavailable(error)) throw error;
  }
}

/**
 * Adds a last write to the request's commit, such as the answer itself. Without a commit of its own, the request succeeds even if this
 * write fails.
 * @param last called before the commit, with whether this request changes something.
 */
export function writeLast(last: (changed: boolean) => Omit<Write, 'subject'> | undefined): void {
  const unit = current.getStore();
  if (unit) unit.last = last;
}

/** Says that this request changed something in a transaction of its own. */
export function changedApart(): void {
  const unit = current.getStore();
  if (unit) unit.changed = true;
}

/** Makes a write: at the end of the request's unit of work, or at once outside of one. */
export async function write(database: Database, one: Write): Promise<void> {
  const unit = current.getStore();
  if (!unit) return commit(database, [one]);
  // Deleted first, so that the write moves to the end: writes run in the order of their latest version.
  unit.writes.delete(one.subject);
  unit.writes.set(one.subject, one);
}

/** Removes a write of this request that was not made yet. */
export function withdraw(subject: string): void {
  current.getStore()?.writes.delete(subject);
}

/**
 * Makes writes together and at once, inside or outside a unit of work, for a page that shows their result.
 * @returns false when a guarded write found no row; nothing was written then.
 */
export async function writeTogether(database: Database, writes: Omit<Write, 'subject'>[]): Promise<boolean> {
  try {
    await commit(database, writes);
    changedApart();
    return true;
  } catch (error) {
    if (error instanceof SingleUseLost) return false;
    throw error;
  }
}

/** Reads a subject once per request, however often it is asked for. */
export function remember<T>(subject: string, read: () => Promise<T>): Promise<T> {
  const memory = current.getStore()?.memory;
  if (!memory) return read();
  const known = memory.get(subject) as Promise<T> | undefined;
  if (known) return known;
  const reading = read();
  memory.set(subject, reading);
  return reading;
}

/** Stores in the request's memory a value that another statement has read. */
export function place(subject: string, value: unknown): void {
  current.getStore()?.memory.set(subject, Promise.resolve(value));
}

/** @returns what the request has already read of a subject; undefined when it was not read. */
export function recall<T>(subject: string): Promise<T> | undefined {
  return current.getStore()?.memory.get(subject) as Promise<T> | undefined;
}

/** @returns the client that the request names: a hint, not a proof. */
export function namedClient(): string | undefined {
  return current.getStore()?.clientId;
}

async function commit(database: Database, writes: Omit<Write, 'subject'>[], attempts = 3): Promise<void> {
  if (!writes.length) return;
  try {
    if (writes.length > 1 && isOrdered(writes)) await database.transaction(writes.map(asGuarded));
    else await database.change(asOne(writes));
  } catch (error) {
    if (foundNothing(error)) throw new SingleUseLost('already consumed', { cause: error });
    // The grant or client was deleted during this request, so nothing can be issued under it.
    if (isForeignKeyViolation(error)) throw new SingleUseLost('grant or client has ended', { cause: error });
    // Ending an account and refreshing under it lock the same rows in opposite order, and two requests may save one session at once.
    // Nothing was written, so a retry is safe and sees the other's result.
    if ((isDeadlock(error) || isUniqueViolation(error)) && attempts > 1) {
      // An immediate retry could take the lock before the other transaction wakes up, and both would deadlock again.
      if (isDeadlock(error)) await setTimeout(25 + 50 * Math.random());
      return commit(database, writes, attempts - 1);
    }
    throw error;
  }
  for (const { written } of writes) written?.();
}

/** Whether order matters. All parts of one statement see the state before it, so it cannot both delete a row and store its successor. */
function isOrdered(writes: Omit<Write, 'subject'>[]): boolean {
  if (writes.some(({ apart }) => apart)) return true;
  return writes.some(({ purpose, alone }) => purpose === 'end' && !alone) && writes.some(({ purpose }) => purpose !== 'end');
}

/**
 * Joins all writes into one statement: Postgres makes all of them or none. The select reads each part in turn, and thereby fixes their
 * order: tokens before their grant, on both sides of a race.
 */
function asOne(writes: Omit<Write, 'subject'>[]): Statement {
  if (writes.length === 1) return asGuarded(writes[0] as Write);
  const parts = writes.map(({ statement }, n) => Prisma.sql`${part(n)} as (${statement} returning 1)`);
  return Prisma.sql`with ${Prisma.join(parts)} select ${Prisma.join(writes.map(({ once }, n) => (once ? guard(n) : count(n))))}`;
}

function asGuarded({ once, statement }: Pick<Write, 'once' | 'statement'>): Statement {
  return once ? Prisma.sql`with ${part(0)} as (${statement} returning 1) select ${guard(0)}` : statement;
}

const part = (n: number) => Prisma.raw(`w${n}`);
const count = (n: number) => Prisma.sql`(select count(*) from ${part(n)})`;
const guard = (n: number) => Prisma.sql`1 / ${count(n)}`;
