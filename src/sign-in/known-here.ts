import { isKnownDevice, knownDeviceKey } from '../http/known-device.ts';
import { findAccountByEmail } from '../people/store.ts';
import type { Step } from './step.ts';

/**
 * Owns whether the account of an address has signed in from this browser before. Such a browser has rate limits of its own, so strangers
 * who use up the tries cannot lock it out.
 */

/**
 * @returns the key to count by; undefined for any other browser. A browser without our cookie causes no lookup, so the response time
 * reveals nothing.
 */
export async function knownHere({ ctx, app: { database } }: Step, email: string): Promise<string | undefined> {
  if (!isKnownDevice(ctx)) return undefined;
  const account = await findAccountByEmail(database, email);
  return account && knownDeviceKey(ctx, account.id, account.devicesSince);
}
