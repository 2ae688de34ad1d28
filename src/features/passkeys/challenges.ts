import { rememberOnce } from '../../oauth/store/records.ts';
import { type Clock, epochSeconds, MINUTE, systemClock } from '../../platform/clock.ts';
import type { Database } from '../../platform/database.ts';
import { equalSecrets, keyedDigest, randomSecret } from '../../platform/secrets.ts';

/**
 * Owns the challenges of passkey ceremonies (WebAuthn section 13.4.3). One is made by signing, so that a page that is looked at costs no
 * write, and holds for five minutes, for what it was made for, once: whichever way the answer turns out, it is used up.
 */

const LIFE_SECONDS = 5 * MINUTE;

/** @param subject what it is for, something that belongs to this browser: an interaction in one step, a session. */
export function newChallenge(cookieKeys: string[], subject: string, clock: Clock = systemClock): string {
  const stamp = `${epochSeconds(clock.now()) + LIFE_SECONDS}.${randomSecret()}`;
  return `${stamp}.${keyedDigest(cookieKeys[0] as string, purpose(subject, stamp))}`;
}

/** Uses a challenge up. @returns whether it was ours, for this subject, in time, and not used before. */
export async function spendChallenge(
  database: Database,
  cookieKeys: string[],
  subject: string,
  challenge: string,
  clock: Clock = systemClock,
): Promise<boolean> {
  const [until = '', nonce = '', signature = ''] = challenge.split('.');
  const stamp = `${until}.${nonce}`;
  if (!cookieKeys.some((key) => equalSecrets(signature, keyedDigest(key, purpose(subject, stamp))))) return false;
  const leftSeconds = Number(until) - epochSeconds(clock.now());
  return leftSeconds > 0 && rememberOnce(database, `passkey challenge ${stamp}`, leftSeconds);
}

const purpose = (subject: string, stamp: string) => `passkey challenge ${subject} ${stamp}`;
