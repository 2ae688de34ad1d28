import { readArgon2 } from './argon2.ts';
import { readBcrypt } from './bcrypt.ts';
import type { ForeignHash, ReadHash } from './foreign-hash.ts';
import { readPbkdf2 } from './pbkdf2.ts';
import { readScrypt } from './scrypt.ts';

/**
 * Owns the list of password hashes of other servers that a sign-in here verifies. people/store.ts replaces such a hash by this server's own
 * after the first sign-in.
 */

const KINDS: ReadHash[] = [readArgon2, readBcrypt, readPbkdf2, readScrypt];

const LONGEST = 1_000;

/** @returns undefined for a text that is none of these hashes. */
export function readForeignHash(text: string): ForeignHash | undefined {
  if (text.length > LONGEST) return undefined;
  for (const read of KINDS) {
    const hash = read(text);
    if (hash) return hash;
  }
  return undefined;
}

/** Whether a password has this hash; false for a hash that is unreadable or costs too much. */
export async function verifyForeignHash(text: string, password: string): Promise<boolean> {
  const hash = readForeignHash(text);
  return hash !== undefined && hash.problem === undefined && hash.verify(password);
}
