import type { JWK } from 'jose';
import { auditEvent } from '../../audit/events.ts';
import { DAY } from '../../platform/clock.ts';
import type { Database } from '../../platform/database.ts';
import type { Log } from '../../platform/log.ts';
import type { KeyRing } from '../../platform/secrets.ts';
import { scheduleOf } from './key-schedule.ts';
import { deleteSigningKeys, ensureSigningKeys, openKeys, rotateSigningKeys, type StoredKeys } from './signing-keys.ts';

/**
 * Owns what a node knows of the signing keys. The database tells of changes (a trigger, prisma/migrations); what was not heard is found
 * by reading again; and when a key's moment has come, the node acts by itself, even while the database is lost.
 */

const READ_EVERY_MS = 60_000;
const RETRY_MS = 5_000;

export type KeyWatch = { close(): void };

export type Watched = {
  database: Database;
  keyRing: KeyRing;
  log: Log;
  /** How old a key that signs becomes before its successor is made; 0 for no limit. */
  lifeDays?: number;
  /** How old the knowledge may get when nothing is heard. */
  readEveryMs?: number;
};

/**
 * @param use called before this returns and at every change with the keys to publish, those that sign first.
 * @throws when the database does not answer or a key does not open; later on either is logged, and the keys stay as they were.
 */
export async function watchSigningKeys(
  { database, keyRing, log, lifeDays = 0, readEveryMs = READ_EVERY_MS }: Watched,
  use: (jwks: { keys: JWK[] }) => void,
): Promise<KeyWatch> {
  let known: Reading = await read(database, keyRing);
  let kids = '';
  let closed = false;
  let timer: NodeJS.Timeout | undefined;
  let look = settle(known);
  // One after another: an older reading must not take the place of a newer one.
  let turn = Promise.resolve();

  /** Does what a reading asks for at this moment. @returns keys that are published no longer, and when to look again. */
  function settle(reading: Reading): { gone: string[]; inMs: number } {
    const { published, phases, changesAt, now } = scheduleNow(reading);
    const wanted = published.map(({ kid }) => kid).join();
    // Other keys, or the same in another order: nothing less is worth a new provider.
    if (wanted !== kids) {
      use(openKeys(published, keyRing));
      if (kids) log.info({ event: 'signing_keys_changed', kids: wanted });
      kids = wanted;
    }
    known = reading;
    const untilChange = changesAt ? Math.ceil(changesAt.getTime() - now.getTime()) : readEveryMs;
    return {
      gone: reading.keys.filter((key) => phases.get(key) === 'gone').map(({ kid }) => kid),
      inMs: Math.min(readEveryMs, untilChange),
    };
  }

  async function refresh(): Promise<void> {
    if (closed) return;
    try {
      // What is due by what is known already needs no database.
      look = settle(known);
      look = settle(await read(database, keyRing));
      if (look.gone.length) await deleteSigningKeys(database, look.gone);
      // Another node may do the same: one of them makes the keys.
      if (isRotationDue(known, lifeDays)) await rotateSigningKeys(database, keyRing, [auditEvent(BY_SCHEDULE, ROTATED)]);
      wakeIn(look.inMs);
    } catch (error) {
      if (!closed) log.error({ event: 'signing_keys_not_read', reason: (error as Error).message });
      wakeIn(Math.min(look.inMs, RETRY_MS));
    }
  }

  function wake(): void {
    turn = turn.then(refresh);
  }

  function wakeIn(ms: number): void {
    clearTimeout(timer);
    if (!closed) timer = setTimeout(wake, ms).unref();
  }

  wakeIn(look.inMs);
  database.listen('signing_key_changed', wake, wake);
  return {
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}

/** Whether a key that signs, and that no other is to follow, is too old. */
function isRotationDue({ keys, readAt }: StoredKeys, lifeDays: number): boolean {
  const oldest = readAt.getTime() - lifeDays * DAY * 1_000;
  return lifeDays > 0 && keys.some(({ activeAt, retiredAt }) => !retiredAt && activeAt.getTime() <= oldest);
}

const BY_SCHEDULE = { address: '', browser: undefined, requestId: 'schedule' };
const ROTATED = { type: 'keys_rotated', detail: { now: false, by: 'schedule' } } as const;

/** Rows, and when they were read by this process's own clock, which nobody sets: so that it knows what time the database has now. */
type Reading = StoredKeys & { atMs: number };

async function read(database: Database, keyRing: KeyRing): Promise<Reading> {
  const stored = await ensureSigningKeys(database, keyRing);
  return { ...stored, atMs: performance.now() };
}

function scheduleNow({ keys, readAt, keptSeconds, atMs }: Reading) {
  const now = new Date(readAt.getTime() + performance.now() - atMs);
  return { ...scheduleOf(keys, now, keptSeconds), now };
}
