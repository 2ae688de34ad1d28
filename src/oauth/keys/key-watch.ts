import type { JWK } from 'jose';
import { recordEvent } from '../../audit/events.ts';
import { DAY } from '../../platform/clock.ts';
import type { Database } from '../../platform/database.ts';
import type { Log } from '../../platform/log.ts';
import type { KeyRing } from '../../platform/secrets.ts';
import { scheduleOf } from './key-schedule.ts';
import { deleteSigningKeys, ensureSigningKeys, openKeys, rotateSigningKeys, type StoredKeys } from './signing-keys.ts';

/**
 * Owns a node's view of the signing keys. A database trigger (prisma/migrations) announces changes; regular reading finds missed ones.
 * When a key is due to change its phase, the node acts by itself, even without the database.
 */

const READ_EVERY_MS = 60_000;
const RETRY_MS = 5_000;

export type KeyWatch = { close(): void };

export type Watched = {
  database: Database;
  keyRing: KeyRing;
  log: Log;
  /** Maximum age of a signing key before its successor is created, in days; 0 for no limit. */
  lifeDays?: number;
  /** Maximum age of the last reading, in milliseconds, when no notification arrives. */
  readEveryMs?: number;
};

/**
 * @param use called with the keys to publish, signing keys first: before this function returns, and at every change.
 * @throws when the database does not answer or a key cannot be decrypted. Later failures are logged, and the keys stay unchanged.
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
  // Readings run one after another, so that an older one never overwrites a newer one.
  let turn = Promise.resolve();

  /** Applies a reading at this moment. @returns keys that are no longer published, and when to check again. */
  function settle(reading: Reading): { gone: string[]; inMs: number } {
    const { published, phases, changesAt, now } = scheduleNow(reading);
    const wanted = published.map(({ kid }) => kid).join();
    // A new provider is built only for other keys or another order.
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
      // Changes of the known schedule need no database.
      look = settle(known);
      look = settle(await read(database, keyRing));
      if (look.gone.length) await deleteSigningKeys(database, look.gone);
      // Another node may do the same; only one of them creates the keys.
      if (isRotationDue(known, lifeDays)) await rotateSigningKeys(database, keyRing, [recordEvent(BY_SCHEDULE, ROTATED)]);
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

/** Whether a signing key without a successor is too old. */
function isRotationDue({ keys, readAt }: StoredKeys, lifeDays: number): boolean {
  const oldest = readAt.getTime() - lifeDays * DAY * 1_000;
  return lifeDays > 0 && keys.some(({ activeAt, retiredAt }) => !retiredAt && activeAt.getTime() <= oldest);
}

const BY_SCHEDULE = { address: '', browser: undefined, requestId: 'schedule' };
const ROTATED = { type: 'keys_rotated', detail: { now: false, by: 'schedule' } } as const;

/** Rows with the time of reading by this process's monotonic clock. From it the node computes the database's current time. */
type Reading = StoredKeys & { atMs: number };

async function read(database: Database, keyRing: KeyRing): Promise<Reading> {
  const stored = await ensureSigningKeys(database, keyRing);
  return { ...stored, atMs: performance.now() };
}

function scheduleNow({ keys, readAt, keptSeconds, atMs }: Reading) {
  const now = new Date(readAt.getTime() + performance.now() - atMs);
  return { ...scheduleOf(keys, now, keptSeconds), now };
}
