import { type Database, Prisma } from '../../platform/database.ts';
import type { Log } from '../../platform/log.ts';
import { digest } from '../../platform/secrets.ts';

/**
 * Owns how many rows a stranger may make this server write: a number of requests in a time span, by network. Unlike the attempts of
 * rate-limit.ts these requests are many and mostly honest, so none waits for the database. A node counts in memory. Each second it adds
 * counts that may matter to the database, and reads the total of all nodes. Two nodes may allow one second's worth of requests too many.
 */

export type Budget = { name: string; points: number; seconds: number };

export type Budgets = {
  /** @returns undefined when the request fits the budget; otherwise the seconds to wait, at least one. */
  spend(budget: Budget, key: string): number | undefined;
  close(): Promise<void>;
};

type Spent = {
  digest: Uint8Array<ArrayBuffer>;
  budget: Budget;
  /** Requests of all nodes, as of the last exchange with the database. */
  known: number;
  /** Requests at this node since then. */
  since: number;
  endsAt: number;
};

const EVERY_MS = 1_000;
// A count far below the limit is not worth a row.
const WORTH_TELLING = 0.1;
const MOST_KEYS = 100_000;

/** @param now returns milliseconds of a monotonic clock. */
export function keepBudgets(database: Database, log: Log, now: () => number = () => performance.now()): Budgets {
  const spent = new Map<string, Spent>();
  let telling: Promise<void> = Promise.resolve();
  const timer = setInterval(() => (telling = telling.then(tell)), EVERY_MS).unref();

  function entryOf(budget: Budget, key: string): Spent {
    const name = `${budget.name} ${key}`;
    const found = spent.get(name);
    if (found && found.endsAt > now()) return found;
    // Strangers have any number of networks. The oldest entry is dropped, and its network starts a new count.
    if (!found && spent.size >= MOST_KEYS) spent.delete(spent.keys().next().value as string);
    const fresh: Spent = { digest: digest(`budget ${name}`), budget, known: 0, since: 0, endsAt: now() + budget.seconds * 1_000 };
    spent.set(name, fresh);
    return fresh;
  }

  async function tell(): Promise<void> {
    const told = [];
    for (const [name, entry] of spent) {
      if (entry.endsAt <= now()) spent.delete(name);
      else if (entry.since && entry.known + entry.since >= entry.budget.points * WORTH_TELLING) told.push({ entry, points: entry.since });
    }
    if (!told.length) return;
    // Sorted, so that no two nodes deadlock.
    told.sort((a, b) => Buffer.compare(a.entry.digest, b.entry.digest));
    const rows = told.map(({ entry, points }) => Prisma.sql`(${entry.digest}, ${points}::int, ${entry.budget.seconds}::int)`);
    try {
      const heard = await database.change<{ key: Uint8Array; points: number; seconds: number }>(Prisma.sql`
        insert into rate_limit as known (key, points, expires_at)
        select key, points, now() + seconds * interval '1 second' from (values ${Prisma.join(rows)}) as told (key, points, seconds)
        on conflict (key) do update set
          points = case when known.expires_at <= now() then excluded.points else least(known.points + excluded.points, 1000000000) end,
          expires_at = case when known.expires_at <= now() then excluded.expires_at else known.expires_at end
        returning key, points, extract(epoch from expires_at - now())::float8 as seconds`);
      const byKey = new Map(heard.map((row) => [Buffer.from(row.key).toString('hex'), row]));
      for (const { entry, points } of told) {
        const row = byKey.get(Buffer.from(entry.digest).toString('hex'));
        if (!row) continue;
        Object.assign(entry, { known: row.points, since: entry.since - points, endsAt: now() + row.seconds * 1_000 });
      }
    } catch (error) {
      // Without the database, each node applies its own count.
      log.warn({ event: 'budgets_wait', reason: (error as Error).message });
    }
  }

  return {
    spend(budget, key) {
      const entry = entryOf(budget, key);
      if (entry.known + entry.since >= budget.points) return Math.max(1, Math.ceil((entry.endsAt - now()) / 1_000));
      entry.since += 1;
      return undefined;
    },
    async close() {
      clearInterval(timer);
      await telling;
    },
  };
}
