import { isKnownDevice, knownDeviceKey, lastSignInHere, rememberDevice } from '../http/known-device.ts';
import { LIMITS, withinLimit } from '../http/rate-limit.ts';
import { write } from '../oauth/store/unit-of-work.ts';
import { type Account, findAccountByEmail } from '../people/store.ts';
import { MINUTE } from '../platform/clock.ts';
import type { Proven } from './finish.ts';
import { alarmTo } from './note.ts';
import type { Step } from './step.ts';

/**
 * Owns whether a browser is new to an account. A new browser causes a mail. A known one has rate limits of its own, so strangers who use up
 * the tries cannot lock it out. See http/known-device.ts for what a browser stores.
 */

/** The database's clock may be ahead of ours. The margin keeps a browser known after it reset the password. */
const CLOCK_DIFFERENCE_MS = MINUTE * 1000;

export async function mailNewDevice(step: Step, account: Account, { method, byMail }: Pick<Proven, 'method' | 'byMail'>): Promise<void> {
  const { ctx, app } = step;
  const last = lastSignInHere(ctx, account.id);
  const now = Date.now();
  rememberDevice(ctx, account.id, new Date(method === 'reset' ? now + CLOCK_DIFFERENCE_MS : now));
  // Every browser is new after a sign-up, and a reset sends a mail of its own.
  if (byMail || method === 'sign_up' || (last && !isOutdated(last, account))) return;
  // An attacker who knows the password must not fill the mailbox: the first mails are enough.
  if (!(await withinLimit(app.database, LIMITS.newDeviceLetters, account.id))) return;
  for (const [n, statement] of alarmTo(step, account, 'new_device', 'new_device', {}).entries())
    await write(app.database, { purpose: 'keep', subject: `alarm ${n} new_device ${account.id}`, statement });
}

/** A reset and the link "this was not me" make every browser new again. */
const isOutdated = (last: Date, { devicesSince }: Account): boolean => devicesSince !== null && last < devicesSince;

/**
 * @returns the key to count by; undefined for any other browser. A browser without our cookie causes no lookup, so the response time
 * reveals nothing.
 */
export async function knownHere({ ctx, app: { database } }: Step, email: string): Promise<string | undefined> {
  if (!isKnownDevice(ctx)) return undefined;
  const account = await findAccountByEmail(database, email);
  return account && knownDeviceKey(ctx, account.id, account.devicesSince);
}
