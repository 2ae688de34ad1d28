import { setTimeout as pause } from 'node:timers/promises';
import { type Database, isUnavailable, Prisma } from './database.ts';
import type { Log } from './log.ts';

/**
 * Owns what a starting process does about its database. It waits for a database that does not answer yet. It refuses one without a limit on
 * statement time. A server that is already running answers 503 instead of waiting.
 */

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;

/**
 * Repeats work that needs the database until it answers, for at most `waitSeconds`. A wrong password or a missing database is no outage,
 * and fails at once.
 * @throws the error of the last attempt.
 */
export async function onceDatabaseAnswers<T>(work: () => Promise<T>, { log, waitSeconds }: { log: Log; waitSeconds: number }): Promise<T> {
  const until = performance.now() + waitSeconds * 1_000;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    try {
      return await work();
    } catch (error) {
      const leftMs = until - performance.now();
      // PgBouncer's answer to the startup parameters that pg sends.
      if (/unsupported startup parameter/.test(whyUnavailable(error)))
        throw new Error(`DATABASE_URL leads to a pooler (${whyUnavailable(error)}): add pgbouncer=true to it`);
      if (!isUnavailable(error) || leftMs <= 0) throw error;
      const nextMs = Math.min(pauseMs, leftMs);
      log.warn({ event: 'database_awaited', reason: whyUnavailable(error), next_try_ms: Math.round(nextMs), left_ms: Math.round(leftMs) });
      await pause(nextMs);
    }
  }
}

/** @returns the driver's message, which names host and port and contains no secret. */
export function whyUnavailable(error: unknown): string {
  const { message, code, cause, reason } = error as NodeJS.ErrnoException & { reason?: string };
  const inner = cause as NodeJS.ErrnoException | undefined;
  return reason || inner?.message || inner?.code || message.trim().split('\n').at(-1) || code || 'it does not answer';
}

/** The time limit of a single write: see database.ts. */
const LONGEST_STATEMENT_MS = 1_150;

/** Checks that statements have a time limit: a pooler may drop the limit that the server asks for. @throws Error that says what to set. */
export async function assertLimited(database: Database): Promise<void> {
  const limit = Prisma.sql`select setting::int as ms, current_user as role from pg_settings where name = 'statement_timeout'`;
  const [answer] = await database.change<{ ms: number; role: string }>(limit);
  if (!answer || (answer.ms > 0 && answer.ms <= LONGEST_STATEMENT_MS)) return;
  throw new Error(
    `statement_timeout of the connections at DATABASE_URL is ${answer.ms || 'off'}; it must be from 1 to ${LONGEST_STATEMENT_MS} ms. ` +
      `A pooler does not pass on what the server asks for, so run: ALTER ROLE "${answer.role}" SET statement_timeout = '${LONGEST_STATEMENT_MS}ms'`,
  );
}
