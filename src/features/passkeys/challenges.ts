import { rememberOnce } from '../../oauth/store/records.ts';
import { type Clock, epochSeconds, MINUTE, systemClock } from '../../platform/clock.ts';
import type { Database } from '../../platform/database.ts';
import { equalSecrets, keyedDigest, randomSecret } from '../../platform/secrets.ts';

/**
 * Owns the challenges of passkey ceremonies (WebAuthn section 13.4.3). A challenge is signed, so viewing a page writes nothing. It is valid
 * for five minutes, for one purpose, once: any answer uses it up, valid or not.
 */

const LIFE_SECONDS = 5 * MINUTE;

/** @param subject what the challenge is for and belongs to this browser, such as an interaction in one prompt, or a session. */
export function newChallenge(cookieKeys: string[], subject: string, clock: Clock = systemClock): string {
  const stamp = `${epochSeconds(clock.now()) + LIFE_SECONDS}.${randomSecret()}`;
  return `${stamp}.${keyedDigest(cookieKeys[0] as string, purpose(subject, stamp))}`;
}

/** Uses up a challenge. @returns whether it was ours, for this subject, still valid, and unused. */
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
