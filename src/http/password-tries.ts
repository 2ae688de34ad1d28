import { setTimeout as wait } from 'node:timers/promises';
import type { Context } from 'koa';
import type { Database } from '../platform/database.ts';
import { AppError } from '../platform/errors.ts';
import { forgive, LIMITS, limitRate, takeBack } from './rate-limit.ts';
import { visitorOf } from './visitor.ts';

/**
 * Owns how often a password may be tried at the sign-in page. A browser in which the account was before has tries of its own, which no stranger can
 * use up. Any other browser shares the account's tries with everyone: the server answers the first ten at once, the next ones ever more slowly, and
 * then none. So a person at a new browser waits some seconds while somebody guesses, and one network alone cannot close the account to others.
 */

const QUICK_TRIES = 10;
const WAIT_STEP = 200;

// A request that waits costs memory; past this many the server says how long to wait.
const MOST_WAITING = 8;
const waiting = new Map<string, number>();

/** @param account its address, normalized. @param device what to count by at a browser in which the account was before: see known-here.ts. */
export type PasswordTry = { ctx: Context; database: Database; account: string; device?: string | undefined };

/**
 * Counts a try before anyone looks at the password, and returns when the server may look at it.
 * @throws AppError 429 `too_many_attempts` when there were too many, or when too many wait already.
 */
export async function countPasswordTry({ ctx, database, account, device }: PasswordTry): Promise<void> {
  if (device) {
    await limitRate(database, LIMITS.passwordAtDevice, device);
    return;
  }
  const { address } = visitorOf(ctx);
  // The network first: a try that it may not make must not use up what the account has.
  await limitRate(database, LIMITS.passwordFromNetwork, address);
  await limitRate(database, LIMITS.passwordOfAccountFromNetwork, `${address} ${account}`);
  const tries = await limitRate(database, LIMITS.passwordOfAccount, account);
  if (tries > QUICK_TRIES) await waitTurn(account, (tries - QUICK_TRIES) * WAIT_STEP);
}

/** Takes back the try that was right, of {@link countPasswordTry}. */
export async function forgivePasswordTry(right: PasswordTry): Promise<void> {
  const { ctx, database, device } = right;
  if (device) return forgive(database, LIMITS.passwordAtDevice, device);
  await forgivePasswordTries(right);
  await takeBack(database, LIMITS.passwordFromNetwork, visitorOf(ctx).address);
}

/** Forgets the tries at a password, for an account whose password is new: they were made at another one. */
export async function forgivePasswordTries({ ctx, database, account }: PasswordTry): Promise<void> {
  await forgive(database, LIMITS.passwordOfAccount, account);
  await forgive(database, LIMITS.passwordOfAccountFromNetwork, `${visitorOf(ctx).address} ${account}`);
}

async function waitTurn(account: string, milliseconds: number): Promise<void> {
  const before = waiting.get(account) ?? 0;
  if (before >= MOST_WAITING) {
    const reason = `rate_limit ${LIMITS.passwordOfAccount.name} waiting`;
    throw new AppError('too_many_attempts', { status: 429, reason, retryAfterSeconds: Math.ceil(milliseconds / 1_000) });
  }
  waiting.set(account, before + 1);
  try {
    await wait(milliseconds);
  } finally {
    const left = (waiting.get(account) ?? 1) - 1;
    if (left) waiting.set(account, left);
    else waiting.delete(account);
  }
}
