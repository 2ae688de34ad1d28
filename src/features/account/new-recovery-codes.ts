import { randomInt } from 'node:crypto';
import { storedRecoveryCode } from '../../people/recovery-codes.ts';
import { Prisma, type Statement } from '../../platform/database.ts';
import type { KeyRing } from '../../platform/secrets.ts';

/** Owns new sets of recovery codes. people/recovery-codes.ts owns their use at sign-in. */

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
      select unnest(${codes.map((code) => storedRecoveryCode(master, accountId, code))}::bytea[]), ${accountId}`,
  ];
}
