import { isBlank, isDeceptive } from '../platform/visible-text.ts';

/** Owns which names a user may have, at sign-up and later. */

const LONGEST = 100;

/** The stored form of a name: trimmed, and with one spelling for letters that look the same. */
export const tidyName = (name: string): string => name.normalize('NFC').trim();

/** What is wrong with a tidy name: `missing` when it has no visible character. */
export function nameFault(name: string): 'missing' | 'wrong' | undefined {
  // The length check comes first, so that a huge name costs little.
  if (name.length > 2 * LONGEST || [...name].length > LONGEST) return 'wrong';
  if (isBlank(name)) return 'missing';
  return isDeceptive(name) ? 'wrong' : undefined;
}
