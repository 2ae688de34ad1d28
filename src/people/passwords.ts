import argon2 from 'argon2';
import { AppError } from '../platform/errors.ts';
import { readForeignHash, verifyForeignHash } from './foreign-passwords/kinds.ts';

/**
 * Owns the hashing of passwords: argon2id, 19 MiB, two passes, one lane (OWASP password storage). The work is limited: hashing runs on a
 * few threads, and above a short queue the server answers 503. So a flood of sign-ins cannot starve the token endpoint. Hashes of other
 * servers are verified in the same queue: see foreign-passwords/.
 */

const OPTIONS = { type: argon2.argon2id, memoryCost: 19 * 1024, timeCost: 2, parallelism: 1 } as const;
const RUNNING = 2;
const WAITING = 32;
/** Longer than any real password. 64 characters of any script need far less (NIST SP 800-63B-4 section 3.1.1.2). */
export const MAX_BYTES = 1_024;

// Compared for an unknown account: the hash of a random, discarded password, with the same parameters.
const ABSENT_HASH = '$argon2id$v=19$m=19456,p=1,t=2$DyoNPfqjvC9iKnbYrjamgg$r2+r4G+Z6H2w8hyaYBsXw0qjpBH87s0G0lsQ57svl+0';

let running = 0;
const waiting: (() => void)[] = [];

/** @throws AppError 503 when the queue is full. */
export function hashPassword(password: string): Promise<string> {
  return inTurn(() => argon2.hash(normalizePassword(password), OPTIONS));
}

/** Gives a password one spelling: keyboards encode the same letter in different ways (NIST SP 800-63B-4 section 3.1.1.2). */
export function normalizePassword(password: string): string {
  return password.normalize('NFKC');
}

/** Whether a hash is another server's, or has other parameters than the current ones. */
export function isOutdated(hash: string): boolean {
  return !hash.startsWith('$argon2id$') || argon2.needsRehash(hash, OPTIONS);
}

/**
 * Whether the password matches. Pass undefined for an unknown account, which costs the same time as one with a current hash.
 * store.ts makes up for other hashes.
 * @throws AppError 503 when the queue is full.
 */
export async function verifyPassword(hash: string | undefined, password: string): Promise<boolean> {
  // No real password is this long, and an attacker must not buy expensive hashing with long input.
  if (Buffer.byteLength(password) > MAX_BYTES) return false;
  if (hash !== undefined && isOutdated(hash)) return inTurn(() => verifyOutdated(hash, password));
  const fits = await inTurn(() => argon2.verify(hash ?? ABSENT_HASH, normalizePassword(password)));
  return fits && hash !== undefined;
}

/** Another server hashed what the user typed, and an older version of this one its normal form. */
async function verifyOutdated(hash: string, password: string): Promise<boolean> {
  const normal = normalizePassword(password);
  const begun = performance.now();
  const fits = await verifyForeignHash(hash, password);
  tookNow(hash, performance.now() - begun);
  return fits || (normal !== password && verifyForeignHash(hash, normal));
}

// How long the last checks of each kind of foreign hash took, in milliseconds, by the beginning of the hash.
const took = new Map<string, number[]>();
const REMEMBERED = 8;
const MOST_KINDS = 64;

function tookNow(hash: string, milliseconds: number): void {
  const beginning = readForeignHash(hash)?.beginning;
  if (beginning === undefined || (took.size >= MOST_KINDS && !took.has(beginning))) return;
  took.set(beginning, [...(took.get(beginning) ?? []), milliseconds].slice(-REMEMBERED));
}

/** @returns the longest time that one of these kinds of hashes took recently, in milliseconds; 0 for none. */
export const tookLately = (beginnings: Iterable<string>): number => Math.max(0, ...[...beginnings].flatMap((one) => took.get(one) ?? []));

/** Measures a kind of foreign hash, unless it was measured before. */
export async function timeForeignHash(hash: string): Promise<void> {
  if (!took.has(readForeignHash(hash)?.beginning ?? '')) await verifyPassword(hash, 'nobody has this password');
}

async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (running >= RUNNING) {
    if (waiting.length >= WAITING) throw new AppError('temporarily_unavailable', { status: 503, reason: 'password_queue_full' });
    await new Promise<void>((resolve) => waiting.push(resolve));
  } else running += 1;
  try {
    return await work();
  } finally {
    const next = waiting.shift();
    if (next) next();
    else running -= 1;
  }
}
