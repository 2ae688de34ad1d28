import { AsyncLocalStorage } from 'node:async_hooks';
import { type Database, type Sql, sqlState } from '../platform/database.ts';

/**
 * Owns the promise that a protocol request is written whole or not at all: writes are gathered while the library works
 * and made in one transaction before the response leaves, so a code is never consumed without its tokens, nor the reverse.
 * No transaction is open while passwords are hashed or other servers asked.
 */

/** What a write is for. An answer that is an error issues nothing and consumes nothing; it may still end things. */
export type Purpose = 'issue' | 'consume' | 'end' | 'keep';

type Write = { purpose: Purpose; run(sql: Sql): Promise<void> };

/** A single-use thing was used by somebody else first, or what it stood under has ended meanwhile. */
export class SingleUseLost extends Error {}

const FOREIGN_KEY_VIOLATION = '23503';

const current = new AsyncLocalStorage<Write[]>();

/**
 * Runs one protocol request.
 * @param succeeded asked after `work`: whether the answer is a success.
 * @throws SingleUseLost when another request consumed the same code or token first: nothing was written.
 */
export async function unitOfWork(database: Database, work: () => Promise<void>, succeeded: () => boolean): Promise<void> {
  const gathered: Write[] = [];
  await current.run(gathered, work);
  const writes = succeeded() ? gathered : gathered.filter(({ purpose }) => purpose === 'end' || purpose === 'keep');
  await commit(database, writes);
}

/** Makes a write: at the end of the request's unit of work, or at once outside of one. */
export async function write(database: Database, purpose: Purpose, run: Write['run']): Promise<void> {
  const unit = current.getStore();
  if (unit) unit.push({ purpose, run });
  else await commit(database, [{ purpose, run }]);
}

async function commit(database: Database, writes: Write[]): Promise<void> {
  if (!writes.length) return;
  try {
    // A single statement is a transaction already.
    if (writes.length === 1) await (writes[0] as Write).run(database.prisma);
    else {
      await database.prisma.$transaction(
        async (transaction) => {
          for (const { run } of writes) await run(transaction);
        },
        { maxWait: 2_000, timeout: 5_000 },
      );
    }
  } catch (error) {
    // The grant or client was deleted while this request was under way: what it would issue hangs on nothing.
    if (sqlState(error) === FOREIGN_KEY_VIOLATION) throw new SingleUseLost('grant or client has ended', { cause: error });
    throw error;
  }
}
