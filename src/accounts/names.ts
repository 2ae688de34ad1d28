/** Owns what a person may be called: the same at sign-up and ever after. */

const LONGEST = 100;
// What turns the direction of the text around it, ends a line, or is no character of a language.
const UNPRINTABLE = /[\p{Cc}\p{Cn}\p{Co}\p{Cs}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

/** A name as it is kept: as it was written, but for spaces around it, and one spelling for letters that look the same. */
export const tidyName = (name: string): string => name.normalize('NFC').trim();

/** What is wrong with a tidy name: `missing`, when there is nothing of it to see. */
export function nameFault(name: string): 'missing' | 'wrong' | undefined {
  if (!/[^\p{Z}\p{C}]/u.test(name)) return 'missing';
  return [...name].length > LONGEST || UNPRINTABLE.test(name) ? 'wrong' : undefined;
}
