import type { Database, Statement } from './database.ts';
import type { Log } from './log.ts';

/** Owns the deferred writing of counts collected in memory: every few seconds and at shutdown, so that no request waits for it. */

const EVERY_MS = 5_000;

export type Book<Row> = { take(): Row[]; giveBack(rows: Row[]): void };

type How<Row> = { database: Database; log: Log; statement(rows: Row[]): Statement; event: string };

/**
 * @param how.statement builds the statement that writes rows.
 * @param how.event is logged while the database refuses them; they are then written with the next rows.
 * @returns a function that writes what is in the book, one call after another.
 */
export function writeBehind<Row>(book: Book<Row>, { database, log, statement, event }: How<Row>): () => Promise<void> {
  let writing = Promise.resolve();
  return () => {
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
}

/** @returns how to stop, which writes a last time. */
export function everyFewSeconds(write: () => Promise<unknown>, everyMs: number = EVERY_MS): { stop(): Promise<unknown> } {
  const timer = setInterval(write, everyMs).unref();
  return {
    stop() {
      clearInterval(timer);
      return write();
    },
  };
}
