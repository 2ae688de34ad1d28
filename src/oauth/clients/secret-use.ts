import { HOUR } from '../../platform/clock.ts';
import { type Database, Prisma } from '../../platform/database.ts';
import { digestOf } from './secrets.ts';

/**
 * Owns when a client secret was last used, to the hour: for whoever looks after the client to see that nothing uses the old one any more.
 * Written behind: no request waits for it, and each node writes once an hour for each secret, however often it is used.
 */

const MAX_SECRETS = 10_000;

/** When this process last wrote of a secret, by its digest. A server outlives its providers, which come and go with its keys. */
const written = new WeakMap<Database, Map<string, number>>();

/** Takes note that a secret was right. @param handle of the secret, see secrets.ts. */
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
    // It is known to the hour alone: one that cannot be written now, with the database away or closing, is written at a later use.
    .catch(() => {});
}
