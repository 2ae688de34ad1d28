import { setTimeout as pause } from 'node:timers/promises';
import { type Database, Prisma } from '../platform/database.ts';
import { readForeignHash } from './foreign-passwords/kinds.ts';
import { isOutdated, timeForeignHash, tookLately } from './passwords.ts';

/**
 * Owns that a refused sign-in takes the same time for every address, while accounts have hashes of other servers. Such a hash costs more or less
 * than our own, so its account could be told from an unknown address. Therefore no refusal comes before the slowest kind could give one. Does
 * not verify: see passwords.ts.
 */

const LOOK_EVERY_MS = 5 * 60_000;
// A file of one server has one or two kinds.
const MOST_KINDS = 16;

type Look = { at: number; beginnings: string[] };

const looks = new WeakMap<Database, Look>();

/**
 * Looks which kinds of foreign hashes the accounts have, and measures each kind once. Call it before the server answers requests; later
 * calls come from refusesAtOneTime().
 */
export async function lookAtForeignHashes(database: Database): Promise<void> {
  const look: Look = { at: performance.now(), beginnings: looks.get(database)?.beginnings ?? [] };
  looks.set(database, look);
  look.beginnings = await measured(database);
}

/**
 * Runs a check of a password. A refusal comes no sooner than from the slowest kind of hash that accounts have. A success needs not wait: who
 * knows the password knows the account.
 * @param hash of the account, if there is one: its kind may have come by an import since the last look.
 */
export async function refusesAtOneTime(database: Database, hash: string | undefined, check: () => Promise<boolean>): Promise<boolean> {
  const begun = performance.now();
  const look = looks.get(database);
  const kind = hash !== undefined && isOutdated(hash) ? readForeignHash(hash)?.beginning : undefined;
  if (kind !== undefined && !look?.beginnings.includes(kind)) await lookAtForeignHashes(database);
  // In the background, and without a word about a failure: the check itself meets a lost database too.
  else if (look && begun - look.at > LOOK_EVERY_MS) lookAtForeignHashes(database).catch(() => {});
  const fits = await check();
  if (!fits) await pause(Math.max(0, tookLately(looks.get(database)?.beginnings ?? []) - (performance.now() - begun)));
  return fits;
}

/** Reads one hash of each kind, from kind to kind along the partial index. @returns the beginnings of the kinds. */
async function measured(database: Database): Promise<string[]> {
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
