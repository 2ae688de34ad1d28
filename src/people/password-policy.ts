import { dictionary } from '@zxcvbn-ts/language-common';
import { MAX_BYTES, normalizePassword } from './passwords.ts';

/**
 * Owns which passwords may be chosen. Nothing is said about what they must be made of, and none ever expires: such rules make
 * passwords worse (NIST SP 800-63B-4 section 3.1.1.2).
 *
 * Eight characters at least. NIST wants fifteen where a password stands alone, and eight beside a second factor. Here ten guesses a
 * quarter of an hour are all that anyone has, those that they would begin with are refused below, and each guess at a stolen hash
 * costs 19 MiB; fifteen would turn away people who have a passkey or an authenticator app besides, before they can say so.
 */

const MIN_CHARACTERS = 8;

// 18,000 of those that are found in every leak (the list of zxcvbn-ts, in lower case).
const COMMON = new Set(dictionary['passwords-common'].filter((password) => password.length >= MIN_CHARACTERS));

// Words that anybody would try first with this person, or here.
const OUR_NAMES = ['munjigi', '문지기'];
// Of a word as short as this, nobody would say that it is in there on purpose.
const SHORTEST_WORD = 3;
// What a password must have besides those words.
const OWN_CHARACTERS = 4;

/** The key of the sentence that says why a password may not be chosen. */
export type PasswordProblem =
  | 'password.too_short'
  | 'password.too_long'
  | 'password.unprintable'
  | 'password.common'
  | 'password.like_yourself';

/** @param person whose it is to be: nobody's own name keeps others out. @returns undefined for a password that may be chosen. */
export function passwordProblem(password: string, { email, name }: { email: string; name: string }): PasswordProblem | undefined {
  if (Buffer.byteLength(password) > MAX_BYTES) return 'password.too_long';
  // Nobody can type them, and not every program hands them on: NUL ends a text, a tab leaves the field (RFC 8265 section 4.2.2).
  if (/\p{Cc}/u.test(password)) return 'password.unprintable';
  const normal = normalizePassword(password).toLowerCase();
  // Characters as people count them, not as they are stored.
  if ([...normal].length < MIN_CHARACTERS) return 'password.too_short';
  if (without(wordsOf(email, name), normal).length < OWN_CHARACTERS) return 'password.like_yourself';
  if (COMMON.has(normal) || isRepetition(normal)) return 'password.common';
  return undefined;
}

/** `abababab`, `11111111`: one to three characters over and over. */
const isRepetition = (text: string) => /^(.{1,3}?)\1+.{0,2}$/su.test(text);

function wordsOf(email: string, name: string): string[] {
  return [email, ...email.split(/[^\p{L}\p{N}]+/u), name, ...name.split(/[^\p{L}\p{N}]+/u), ...OUR_NAMES]
    .map((word) => normalizePassword(word).toLowerCase())
    .filter((word) => [...word].length >= SHORTEST_WORD)
    .sort((one, other) => other.length - one.length);
}

function without(words: string[], text: string): string {
  return words.reduce((left, word) => left.replaceAll(word, ''), text);
}
