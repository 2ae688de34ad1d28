import { isKnownDevice, knownDeviceKey } from '../http/known-device.ts';
import { findAccountByEmail } from '../people/store.ts';
import type { Step } from './step.ts';

/**
 * Owns whether the account of an address signed in at this browser before. What strangers use up, such as the tries at a password, is not closed to
 * such a browser: it has counts of its own.
 */

/** @returns what to count by; undefined for any other browser. Nothing is looked up for a browser without our cookie, so its time tells nothing. */
export async function knownHere({ ctx, services: { database } }: Step, email: string): Promise<string | undefined> {
  if (!isKnownDevice(ctx)) return undefined;
  const account = await findAccountByEmail(database, email);
  return account && knownDeviceKey(ctx, account.id, account.devicesSince);
}
