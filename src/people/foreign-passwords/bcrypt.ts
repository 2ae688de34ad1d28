import { createHash } from 'node:crypto';
import bcrypt from 'bcrypt';
import { type ReadHash, tooCostly } from './foreign-hash.ts';

/**
 * Owns hashes by bcrypt: the crypt strings `$2a$`, `$2b$` and `$2y$`, and Django's `bcrypt$` and `bcrypt_sha256$` before one of them. Like
 * every bcrypt it reads the first 72 bytes of a password.
 */

// About a second of one thread.
const MOST_ROUNDS = 14;

const CRYPT = /^((bcrypt_sha256\$|bcrypt\$)?\$2[aby]\$(\d\d)\$)[./A-Za-z0-9]{53}$/;

export const readBcrypt: ReadHash = (text) => {
  const [, beginning = '', prefix, digits = ''] = CRYPT.exec(text) ?? [];
  const rounds = Number(digits);
  if (!beginning || rounds < 4) return undefined;
  // The three letters mean the same function; the library knows one of them.
  const hash = text.slice(prefix?.length ?? 0).replace(/^\$2[aby]/, '$2b');
  const django = prefix === 'bcrypt_sha256$';
  return {
    kind: 'bcrypt',
    beginning,
    ...(rounds > MOST_ROUNDS ? { problem: tooCostly(`2^${rounds} rounds`, `2^${MOST_ROUNDS}`) } : undefined),
    verify: (password) => bcrypt.compare(django ? createHash('sha256').update(password).digest('hex') : password, hash),
  };
};
