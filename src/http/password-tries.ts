import { setTimeout as wait } from 'node:timers/promises';
import type { Context } from 'koa';
import type { Database, Statement } from '../platform/database.ts';
import { AppError } from '../platform/errors.ts';
import { forgiving, LIMITS, limitRate, limitRates, takingBack } from './rate-limit.ts';
import { visitorOf } from './visitor.ts';

/**
 * Owns how often a password may be tried at the sign-in page. A browser that the account used before has its own tries, which no stranger
 * can use up. All other browsers share the account's tries: the server answers the first ten at once, the next ones more and more slowly,
 * and then none. So a user at a new browser waits some seconds during an attack, and one network alone cannot lock the account.
 */

const QUICK_TRIES = 10;
const WAIT_STEP = 100;

// A waiting request costs memory. Above this number the server answers with the time to wait.
const MOST_WAITING = 8;
const waiting = new Map<string, number>();

/** @param account its address, normalized. @param device rate-limit key of a browser that the account used before: see known-device.ts. */
export type PasswordTry = { ctx: Context; database: Database; account: string; device?: string | undefined };

/**
 * Counts a try before the password is checked, and returns when the server may check it.
 * @throws AppError 429 `too_many_attempts` after too many tries, or when too many wait already.
 */
export async function countPasswordTry({ ctx, database, account, device }: PasswordTry): Promise<void> {
  if (device) {
    await limitRate(database, LIMITS.passwordAtDevice, device);
    return;
  }
  const { address } = visitorOf(ctx);
  // The network's limit comes first: a try that it refuses must not use up the account's tries.
  const [, , tries = 0] = await limitRates(database, [
    { limit: LIMITS.passwordFromNetwork, key: address },
    { limit: LIMITS.passwordOfAccountFromNetwork, key: `${address} ${account}` },
    { limit: LIMITS.passwordOfAccount, key: account },
  ]);
  if (tries > QUICK_TRIES) await waitTurn(account, (tries - QUICK_TRIES) * WAIT_STEP);
}

/** @returns the statements that take back the successful try of {@link countPasswordTry}, in the order in which it locks their rows. */
export function forgivingPasswordTry({ ctx, account, device }: PasswordTry): Statement[] {
  if (device) return [forgiving(LIMITS.passwordAtDevice, device)];
  return [takingBack(LIMITS.passwordFromNetwork, visitorOf(ctx).address), ...forgivingPasswordTries(ctx, account)];
}

/** @returns the statements that forget the tries of an account with a new password: they guessed the old one. */
export function forgivingPasswordTries(ctx: Context, account: string): Statement[] {
  return [
    forgiving(LIMITS.passwordOfAccountFromNetwork, `${visitorOf(ctx).address} ${account}`),
    forgiving(LIMITS.passwordOfAccount, account),
  ];
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
