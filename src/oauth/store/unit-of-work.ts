import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout } from 'node:timers/promises';
import { type Database, isStorable, Prisma, type Statement } from '../../platform/database.ts';
import { foundNothing, isDeadlock, isForeignKeyViolation, isUniqueViolation } from '../../platform/sql-errors.ts';

/**
 * Owns the promise that a protocol request is written whole or not at all: writes are gathered while the library works and
 * made in one statement before the response leaves, so a code is never consumed without its tokens, nor the reverse.
 * What a request has read, it remembers. No transaction is open while passwords are hashed or other servers asked.
 */

/** What a write is for. An answer that is an error issues nothing and consumes nothing; it may still end things. */
export type Purpose = 'issue' | 'consume' | 'end' | 'keep';

export type Write = {
  purpose: Purpose;
  /** What is written, such as a session's digest: a later write of the same thing takes the place of an earlier one. */
  subject: string;
  /** An insert, update or delete without `returning`. */
  statement: Statement;
  /** It calls a function of ours instead, and cannot be part of a statement. */
  apart?: boolean;
  /** It must change a row: when somebody else was first, and there is none to change, the whole unit is off. */
  once?: boolean;
  /** Runs once it is written. */
  written?: () => void;
};

/** A single-use thing was used by somebody else first, or what it stood under has ended meanwhile. */
export class SingleUseLost extends Error {}
// How a statement that consumed nothing fails as a whole: it divides by the number of rows that it consumed.
type Unit = {
  writes: Map<string, Write>;
  memory: Map<string, Promise<unknown>>;
  clientId: string | undefined;
  /** Called when something of this request is written. */
  written?: () => void;
};

const current = new AsyncLocalStorage<Unit>();

/**
 * Runs one protocol request.
 * @param clientId the client that the request names, unproven: only a hint at what will be read next.
 * @param succeeded asked after `work`: whether the answer is a success.
 * @throws SingleUseLost when another request consumed the same code or token first: nothing was written.
 */
export async function unitOfWork(
  database: Database,
  work: () => Promise<void>,
  succeeded: () => boolean,
  clientId?: string,
): Promise<void> {
  // It goes into a statement as it came; what cannot be stored names nobody.
  const unit: Unit = { writes: new Map(), memory: new Map(), clientId: isStorable(clientId) ? clientId : undefined };
  await current.run(unit, work);
  const writes = [...unit.writes.values()];
  const due = succeeded() ? writes : writes.filter(({ purpose }) => purpose === 'end' || purpose === 'keep');
  await commit(database, due);
  if (due.length) unit.written?.();
}

/** Has the request hear of it when something that it does is written. */
export function hearOfWrites(written: () => void): void {
  const unit = current.getStore();
  if (unit) unit.written = written;
}

/** Makes a write: at the end of the request's unit of work, or at once outside of one. */
export async function write(database: Database, one: Write): Promise<void> {
  const unit = current.getStore();
  if (!unit) return commit(database, [one]);
  // Deleted first, so that it takes the last place: the order of writes is the order of the last words.
  unit.writes.delete(one.subject);
  unit.writes.set(one.subject, one);
}

/** Takes back a write of this request that was not made yet. */
export function withdraw(subject: string): void {
  current.getStore()?.writes.delete(subject);
}

/**
 * Makes writes together and now, whether or not a request's unit is under way: for a page that says what became of them.
 * @returns false when one that must change a row found none: then nothing was written.
 */
export async function writeTogether(database: Database, writes: Omit<Write, 'subject'>[]): Promise<boolean> {
  try {
    await commit(database, writes);
    current.getStore()?.written?.();
    return true;
  } catch (error) {
    if (error instanceof SingleUseLost) return false;
    throw error;
  }
}

/** Reads a thing once a request, however often and from wherever it is asked for. */
export function remember<T>(subject: string, read: () => Promise<T>): Promise<T> {
  const memory = current.getStore()?.memory;
  if (!memory) return read();
  const known = memory.get(subject) as Promise<T> | undefined;
  if (known) return known;
  const reading = read();
  memory.set(subject, reading);
  return reading;
}

/** Keeps what was read along with something else. */
export function place(subject: string, value: unknown): void {
  current.getStore()?.memory.set(subject, Promise.resolve(value));
}

/** What the request already knows of a thing; undefined when it has not been read. */
export function recall<T>(subject: string): Promise<T> | undefined {
  return current.getStore()?.memory.get(subject) as Promise<T> | undefined;
}

/** The client that the request names, if it does: a hint, not a proof. */
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
    // The grant or client was deleted while this request was under way: what it would issue hangs on nothing.
    if (isForeignKeyViolation(error)) throw new SingleUseLost('grant or client has ended', { cause: error });
    // Whoever ends an account and whoever refreshes under it lock the same rows from two ends; two requests may keep one session
    // at once. Nothing was written: once more, which sees what the other did.
    if ((isDeadlock(error) || isUniqueViolation(error)) && attempts > 1) {
      // Who begins again at once takes the lock from under the other, who has not yet woken, and both meet again.
      if (isDeadlock(error)) await setTimeout(25 + 50 * Math.random());
      return commit(database, writes, attempts - 1);
    }
    throw error;
  }
  for (const { written } of writes) written?.();
}

/** Whether order matters: the parts of one statement all see what was before it, so it cannot both end a thing and keep its successor. */
function isOrdered(writes: Omit<Write, 'subject'>[]): boolean {
  if (writes.some(({ apart }) => apart)) return true;
  return writes.some(({ purpose }) => purpose === 'end') && writes.some(({ purpose }) => purpose !== 'end');
}

/**
 * All writes as parts of one statement: Postgres makes all of them or none. The select asks for each part in turn, which
 * is what makes them run in their order: tokens before their grant, on both sides of a race.
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
