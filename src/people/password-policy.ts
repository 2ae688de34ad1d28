import { dictionary } from '@zxcvbn-ts/language-common';
import { MAX_BYTES, normalizePassword } from './passwords.ts';

/**
 * Owns which passwords are allowed. There are no rules of composition, and passwords never expire, because such rules make passwords weaker
 * (NIST SP 800-63B-4 section 3.1.1.2). The minimum is eight characters. NIST asks for fifteen when the password stands alone, and for eight
 * beside a second factor. This server accepts eight for three reasons. An attacker gets ten guesses in a quarter of an hour. The most
 * likely guesses are refused below. Each guess at a stolen hash costs 19 MiB. Fifteen would refuse users who have a passkey or an
 * authenticator app, before they can present it.
 */

const MIN_CHARACTERS = 8;

// 18,000 passwords that occur in every leak (the list of zxcvbn-ts, in lower case).
const COMMON = new Set(dictionary['passwords-common'].filter((password) => password.length >= MIN_CHARACTERS));

// Words that an attacker tries first at this server.
const OUR_NAMES = ['munjigi', '문지기'];
// A shorter word may occur in a password by chance.
const SHORTEST_WORD = 3;
// Characters that a password needs besides those words.
const OWN_CHARACTERS = 4;

/** Key of the sentence that says why a password is refused. */
export type PasswordProblem =
  | 'password.too_short'
  | 'password.too_long'
  | 'password.unprintable'
  | 'password.common'
  | 'password.like_yourself';

/** @param person the user of the password. A name is a forbidden word for its own user only. @returns undefined for an allowed password. */
export function passwordProblem(password: string, { email, name }: { email: string; name: string }): PasswordProblem | undefined {
  if (Buffer.byteLength(password) > MAX_BYTES) return 'password.too_long';
  // Users cannot type control characters, and some programs lose them: NUL ends a string, a tab leaves the field (RFC 8265 section 4.2.2).
  if (/\p{Cc}/u.test(password)) return 'password.unprintable';
  const normal = normalizePassword(password).toLowerCase();
  // Counts characters, not bytes or code units.
  if ([...normal].length < MIN_CHARACTERS) return 'password.too_short';
  if (without(wordsOf(email, name), normal).length < OWN_CHARACTERS) return 'password.like_yourself';
  if (COMMON.has(normal) || isRepetition(normal)) return 'password.common';
  return undefined;
}

/** `abababab`, `11111111`: one to three characters, repeated. */
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
