import { isBlank, isDeceptive } from '../platform/visible-text.ts';

/** Owns what a person may be called: the same at sign-up and ever after. */

const LONGEST = 100;

/** A name as it is kept: as it was written, but for spaces around it, and one spelling for letters that look the same. */
export const tidyName = (name: string): string => name.normalize('NFC').trim();

/** What is wrong with a tidy name: `missing`, when there is nothing of it to see. */
export function nameFault(name: string): 'missing' | 'wrong' | undefined {
  // First, so that nobody walks through a megabyte of them.
  if (name.length > 2 * LONGEST || [...name].length > LONGEST) return 'wrong';
  if (isBlank(name)) return 'missing';
  return isDeceptive(name) ? 'wrong' : undefined;
}
