import { type Database, Prisma } from '../platform/database.ts';
import { derivedSecret, digest, type KeyRing, keyedDigest } from '../platform/secrets.ts';

/**
 * Owns recovery codes: ten, shown once. Each allows one sign-in when the user cannot use the other factors. The database has a keyed
 * digest: a code is short, so an attacker with a stolen database could find it from a plain digest. Does not count attempts.
 */

/** Uses a code once: one statement finds and marks it. @returns whether an unused code matched. */
export async function useRecoveryCode(database: Database, keyRing: KeyRing, accountId: string, code: string): Promise<boolean> {
  const digests = keyRing.masters.map((master) => storedRecoveryCode(master, accountId, code));
  const used = await database.change(Prisma.sql`
    update recovery_code set used_at = now()
    where account_id = ${accountId} and digest = any(${digests}::bytea[]) and used_at is null returning 1`);
  return used.length > 0;
}

/** Accepts capitals, spaces, and a missing hyphen. */
export function storedRecoveryCode(master: Uint8Array, accountId: string, code: string): Uint8Array<ArrayBuffer> {
  const typed = code.toLowerCase().replace(/[^a-z0-9]/g, '');
  return digest(keyedDigest(derivedSecret(master, 'recovery codes'), `${accountId} ${typed}`));
}
