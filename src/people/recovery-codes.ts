import { randomInt } from 'node:crypto';
import { type Database, Prisma, type Statement } from '../platform/database.ts';
import { derivedSecret, digest, type KeyRing, keyedDigest } from '../platform/secrets.ts';

/**
 * Owns recovery codes: ten, shown once, each good for one sign-in when the other factors are out of reach. Stored is a keyed digest:
 * a code is short enough to be typed, so that a plain digest in a stolen database could be searched for. Does not count attempts.
 */

const CODES = 10;
const CHARACTERS = 10;
// Without those that are taken for one another on paper: i l 1, o 0.
const ALPHABET = 'abcdefghjkmnpqrstuvwxyz23456789';

/** A new set of codes, 49 bits each, such as `k7m2p-xq9ra`. */
export function newRecoveryCodes(): string[] {
  return Array.from({ length: CODES }, () => {
    const letters = Array.from({ length: CHARACTERS }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
    return `${letters.slice(0, CHARACTERS / 2)}-${letters.slice(CHARACTERS / 2)}`;
  });
}

/** Keeps a set, in place of the one before: to be run as one transaction. */
export function replaceRecoveryCodes(keyRing: KeyRing, accountId: string, codes: string[]): Statement[] {
  const [master] = keyRing.masters as [Uint8Array];
  return [
    Prisma.sql`delete from recovery_code where account_id = ${accountId}`,
    Prisma.sql`insert into recovery_code (digest, account_id)
      select unnest(${codes.map((code) => stored(master, accountId, code))}::bytea[]), ${accountId}`,
  ];
}

/** Uses a code, once: the statement that marks it is the question. @returns whether there was such a code, unused. */
export async function useRecoveryCode(database: Database, keyRing: KeyRing, accountId: string, code: string): Promise<boolean> {
  const digests = keyRing.masters.map((master) => stored(master, accountId, code));
  const used = await database.change(Prisma.sql`
    update recovery_code set used_at = now()
    where account_id = ${accountId} and digest = any(${digests}::bytea[]) and used_at is null returning 1`);
  return used.length > 0;
}

/** However it is typed: in capitals, with or without its hyphen, with spaces. */
function stored(master: Uint8Array, accountId: string, code: string): Uint8Array<ArrayBuffer> {
  const typed = code.toLowerCase().replace(/[^a-z0-9]/g, '');
  return digest(keyedDigest(derivedSecret(master, 'recovery codes'), `${accountId} ${typed}`));
}
