import { type Database, Prisma } from '../platform/database.ts';
import { readForeignHash } from './foreign-passwords/kinds.ts';
import { timeForeignHash } from './passwords.ts';

/** Owns which kinds of password hashes of other servers the accounts have. */

// A file of one server has one or two kinds.
const MOST_KINDS = 16;

/**
 * Reads one hash of each kind, from kind to kind along the partial index, and measures each kind once.
 * @returns the beginnings of the kinds: see foreign-passwords/foreign-hash.ts.
 */
export async function readKindsOfHashes(database: Database): Promise<string[]> {
  const beginnings: string[] = [];
  let after = '';
  for (let n = 0; n < MOST_KINDS; n++) {
    const hash = await nextHash(database, after);
    if (hash === undefined) break;
    const beginning = readForeignHash(hash)?.beginning;
    if (beginning !== undefined) {
      beginnings.push(beginning);
      await timeForeignHash(hash);
    }
    after = `${beginning ?? hash}\u{10ffff}`;
  }
  return beginnings;
}

/** The condition is that of the index user_account_foreign_password_idx: every hash with other parameters than passwords.ts has now. */
async function nextHash(database: Database, after: string): Promise<string | undefined> {
  const [row] = await database.aside<{ hash: string }>(Prisma.sql`
    select password_hash as hash from user_account
    where password_hash is not null and password_hash not like '$argon2id$v=19$m=19456,%' and password_hash collate "C" > ${after}
    order by password_hash collate "C" limit 1`);
  return row?.hash;
}

export const beginningOf = (hash: string): string | undefined => readForeignHash(hash)?.beginning;
