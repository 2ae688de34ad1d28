import { setTimeout as sleep } from 'node:timers/promises';
import { type Database, Prisma } from './database.ts';
import type { Log } from './log.ts';

/**
 * Owns the pace of what leaves this house later, on every node: it is looked for when it is told of and every so often, so many are under
 * way at once, and the last are waited for at the end. What leaves, and how it is taken so that no other node takes it, is the sender's.
 */

/** Whoever is told nothing looks by itself, for what is due again and for what was told while nobody heard. */
const EVERY_MS = 15_000;

/**
 * What is due. A moment is kept to the millisecond, and rounded up as often as down: who is told of a row may come sooner than the moment that
 * it was written with, and would not look again before its time.
 */
export const DUE = Prisma.sql`due_at < now() + interval '1 millisecond'`;

/** How long those under way are waited for at the end. What is cut short is due again later. */
const DRAIN_MS = 5_000;

export type Outbox<Item> = {
  database: Database;
  log: Log;
  /** On which it is told that there is something. */
  channel: string;
  /** How many may be under way. */
  atOnce: number;
  /** Takes up to so many that are due, which no other node takes then. */
  take(room: number): Promise<Item[]>;
  /** @throws never: what could not be written down is tried again. */
  send(item: Item): Promise<void>;
  /** The name of the log line when nothing could be taken. */
  waits: string;
  /** Called at the end, to cut short what takes too long. */
  cut?: () => void;
  everyMs?: number | undefined;
};

/** Sends what is due until it is stopped. */
export function keepSent<Item>({ database, log, channel, atOnce, take, send, waits, cut, everyMs = EVERY_MS }: Outbox<Item>): {
  stop(): Promise<void>;
} {
  const underWay = new Set<Promise<void>>();
  let stopped = false;
  let rung = Promise.withResolvers<void>();
  const ring = () => rung.resolve();
  database.listen(channel, ring, ring);

  const sending = (async () => {
    while (!stopped) {
      rung = Promise.withResolvers();
      try {
        const room = atOnce - underWay.size;
        for (const item of room > 0 ? await take(room) : []) {
          const one = send(item).finally(() => {
            underWay.delete(one);
            ring();
          });
          underWay.add(one);
        }
      } catch (error) {
        log.warn({ event: waits, reason: (error as Error).message });
      }
      await Promise.race([rung.promise, sleep(everyMs, undefined, { ref: false })]);
    }
  })();

  return {
    async stop() {
      stopped = true;
      ring();
      await sending;
      await Promise.race([Promise.all(underWay), sleep(DRAIN_MS, undefined, { ref: false })]);
      cut?.();
      await Promise.all(underWay);
    },
  };
}
