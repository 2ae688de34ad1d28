import { HOUR } from '../../platform/clock.ts';
import { type Database, Prisma } from '../../platform/database.ts';
import { digestOf } from './secrets.ts';

/**
 * Owns when a client secret was last used, to the hour, so that an owner sees when nothing uses the old secret any more.
 * Written in the background: no request waits, and each node writes at most once an hour per secret.
 */

const MAX_SECRETS = 10_000;

/** When this process last wrote for a secret, by its handle. It belongs to the server, because providers are replaced when keys change. */
const written = new WeakMap<Database, Map<string, number>>();

/** Records that a secret was used. @param handle of the secret, see secrets.ts. */
export function noteUse(database: Database, handle: string, now = Date.now()): void {
  const known = written.get(database) ?? new Map<string, number>();
  written.set(database, known);
  const last = known.get(handle);
  if (last !== undefined && now - last < HOUR * 1000) return;
  known.delete(handle);
  known.set(handle, now);
  if (known.size > MAX_SECRETS) known.delete(known.keys().next().value as string);
  database
    .change(Prisma.sql`
      update client_secret set used_at = date_trunc('hour', now())
      where digest = ${digestOf(handle)} and (used_at is null or used_at < date_trunc('hour', now()))`)
    // A failed write is harmless, for example without a database or during shutdown: a later use writes again.
    .catch(() => {});
}
