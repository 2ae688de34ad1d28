import type { Database, Statement } from './database.ts';
import type { Log } from './log.ts';

/** Owns the writing of what was added up in memory: every few seconds and at the end, so that no request waits for it. */

const EVERY_MS = 5_000;

export type Book<Row> = { take(): Row[]; giveBack(rows: Row[]): void };

/**
 * @param how.statement writes rows. @param how.event is logged while the database does not take them; they are written with the next ones.
 * @returns how to stop: what is left is written first.
 */
export function keepWritten<Row>(
  book: Book<Row>,
  { database, log, statement, event }: { database: Database; log: Log; statement(rows: Row[]): Statement; event: string },
  everyMs = EVERY_MS,
): { stop(): Promise<void> } {
  let writing = Promise.resolve();
  const write = () => {
    writing = writing.then(async () => {
      const rows = book.take();
      try {
        if (rows.length) await database.change(statement(rows));
      } catch (error) {
        book.giveBack(rows);
        log.warn({ event, reason: (error as Error).message });
      }
    });
    return writing;
  };
  const timer = setInterval(write, everyMs).unref();
  return {
    stop() {
      clearInterval(timer);
      return write();
    },
  };
}
