import { setTimeout as sleep } from 'node:timers/promises';
import { type Database, Prisma } from './database.ts';
import type { Log } from './log.ts';

/**
 * Owns the pace of deferred sending, on every node. The worker runs on NOTIFY and every `everyMs`, with at most `atOnce` items in flight.
 * At shutdown it waits for those. The caller decides what is sent and how an item is taken so that no other node takes it.
 */

/** Without a notification the worker looks again after this time, for retries and for missed notifications. */
const EVERY_MS = 15_000;

/**
 * Which rows are due. Stored times have milliseconds, and may be rounded up. A worker that was just notified could then see the row as not
 * yet due, and would not look again in time.
 */
export const DUE = Prisma.sql`due_at < now() + interval '1 millisecond'`;

/** How long shutdown waits for items in flight. An interrupted item is due again later. */
const DRAIN_MS = 5_000;

export type Outbox<Item> = {
  database: Database;
  log: Log;
  /** The channel that announces new items. */
  channel: string;
  /** The most items in flight. */
  atOnce: number;
  /** Takes at most `room` due items, which no other node then takes. */
  take(room: number): Promise<Item[]>;
  /** @throws never: an outcome that could not be stored leads to another try. */
  send(item: Item): Promise<void>;
  /** Event name of the log line when items could not be taken. */
  waits: string;
  /** Called at shutdown to interrupt what takes too long. */
  cut?: () => void;
  everyMs?: number | undefined;
};

/** Sends due items until it is stopped. */
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
