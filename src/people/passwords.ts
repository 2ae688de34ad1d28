import argon2 from 'argon2';
import { AppError } from '../platform/errors.ts';

/**
 * Owns the hashing of passwords: argon2id, 19 MiB, two passes, one lane (OWASP password storage).
 * Work is bounded: hashing runs on a few threads, and past a short queue people are told to come back,
 * so that a flood of sign-ins cannot starve the token endpoint.
 */

const OPTIONS = { type: argon2.argon2id, memoryCost: 19 * 1024, timeCost: 2, parallelism: 1 } as const;
const RUNNING = 2;
const WAITING = 32;
/** More than anyone has; 64 characters of any script are far below (NIST SP 800-63B-4 section 3.1.1.2). */
export const MAX_BYTES = 1_024;

// What an unknown account is compared with: the same parameters, and a password that was random and is forgotten.
const ABSENT_HASH = '$argon2id$v=19$m=19456,p=1,t=2$DyoNPfqjvC9iKnbYrjamgg$r2+r4G+Z6H2w8hyaYBsXw0qjpBH87s0G0lsQ57svl+0';

let running = 0;
const waiting: (() => void)[] = [];

/** @throws AppError 503 when the queue is full. */
export function hashPassword(password: string): Promise<string> {
  return inTurn(() => argon2.hash(normalizePassword(password), OPTIONS));
}

/** One spelling a password: keyboards differ in how they write one and the same letter (NIST SP 800-63B-4 section 3.1.1.2). */
export function normalizePassword(password: string): string {
  return password.normalize('NFKC');
}

/** Whether a hash was made with other parameters than those of today. */
export function isOutdated(hash: string): boolean {
  return argon2.needsRehash(hash, OPTIONS);
}

/** Whether the password fits. Costs the same for an account that does not exist: pass undefined then. @throws AppError 503 when the queue is full. */
export async function verifyPassword(hash: string | undefined, password: string): Promise<boolean> {
  // Nobody's password is this long, and hashing should not be a lever for work.
  if (Buffer.byteLength(password) > MAX_BYTES) return false;
  const fits = await inTurn(() => argon2.verify(hash ?? ABSENT_HASH, normalizePassword(password)));
  return fits && hash !== undefined;
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
