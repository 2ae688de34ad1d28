import { randomInt } from 'node:crypto';
import { type Database, Prisma, type Statement } from '../platform/database.ts';
import { derivedSecret, digest, type KeyRing, keyedDigest } from '../platform/secrets.ts';

/**
 * Owns recovery codes: ten, shown once. Each allows one sign-in when the user cannot use the other factors. The database has a keyed
 * digest: a code is short, so an attacker with a stolen database could find it from a plain digest. Does not count attempts.
 */

const CODES = 10;
const CHARACTERS = 10;
// Without characters that are easily confused on paper: i l 1, o 0.
const ALPHABET = 'abcdefghjkmnpqrstuvwxyz23456789';

/** @returns a new set of codes of 49 bits each, such as `k7m2p-xq9ra`. */
export function newRecoveryCodes(): string[] {
  return Array.from({ length: CODES }, () => {
    const letters = Array.from({ length: CHARACTERS }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
    return `${letters.slice(0, CHARACTERS / 2)}-${letters.slice(CHARACTERS / 2)}`;
  });
}

/** Stores a set and deletes the earlier one. Run the statements in one transaction. */
export function replaceRecoveryCodes(keyRing: KeyRing, accountId: string, codes: string[]): Statement[] {
  const [master] = keyRing.masters as [Uint8Array];
  return [
    Prisma.sql`delete from recovery_code where account_id = ${accountId}`,
    Prisma.sql`insert into recovery_code (digest, account_id)
      select unnest(${codes.map((code) => stored(master, accountId, code))}::bytea[]), ${accountId}`,
  ];
}

/** Uses a code once: one statement finds and marks it. @returns whether an unused code matched. */
export async function useRecoveryCode(database: Database, keyRing: KeyRing, accountId: string, code: string): Promise<boolean> {
  const digests = keyRing.masters.map((master) => stored(master, accountId, code));
  const used = await database.change(Prisma.sql`
    update recovery_code set used_at = now()
    where account_id = ${accountId} and digest = any(${digests}::bytea[]) and used_at is null returning 1`);
  return used.length > 0;
}

/** Accepts capitals, spaces, and a missing hyphen. */
function stored(master: Uint8Array, accountId: string, code: string): Uint8Array<ArrayBuffer> {
  const typed = code.toLowerCase().replace(/[^a-z0-9]/g, '');
  return digest(keyedDigest(derivedSecret(master, 'recovery codes'), `${accountId} ${typed}`));
}
