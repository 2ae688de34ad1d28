import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import argon2 from 'argon2';
import bcrypt from 'bcrypt';
import { readForeignHash, verifyForeignHash } from '../../src/people/foreign-passwords/kinds.ts';
import { isOutdated, verifyPassword } from '../../src/people/passwords.ts';

const base64 = (text: string, encoding: BufferEncoding = 'utf8') => Buffer.from(text, encoding).toString('base64').replace(/=+$/, '');

// RFC 6070 and the same input with SHA-256.
const SHA1 = '4b007901b765489abead49d926f721d065a429c1';
const SHA256 = 'c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a';
// RFC 7914 section 12.
const SCRYPT =
  '7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887';
// The example of https://github.com/firebase/scrypt
const FIREBASE =
  '$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==';
// A test vector of crypt_blowfish.
const BCRYPT = 'CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW';

const KNOWN: [string, string, string][] = [
  ['PBKDF2 in PHC', `$pbkdf2-sha256$i=4096,l=32$${base64('salt')}$${base64(SHA256, 'hex')}`, 'password'],
  ['PBKDF2 of passlib', `$pbkdf2-sha256$4096$${base64('salt')}$${base64(SHA256, 'hex').replaceAll('+', '.')}`, 'password'],
  ['PBKDF2 with SHA-1', `$pbkdf2$4096$${base64('salt')}$${base64(SHA1, 'hex')}`, 'password'],
  ['PBKDF2 of Django', `pbkdf2_sha256$4096$salt$${Buffer.from(SHA256, 'hex').toString('base64')}`, 'password'],
  ['PBKDF2 of an older Django', `pbkdf2_sha1$4096$salt$${Buffer.from(SHA1, 'hex').toString('base64')}`, 'password'],
  ['PBKDF2 of Werkzeug', `pbkdf2:sha256:4096$salt$${SHA256}`, 'password'],
  ['bcrypt $2a$', `$2a$05$${BCRYPT}`, 'U*U'],
  ['bcrypt $2b$', `$2b$05$${BCRYPT}`, 'U*U'],
  ['bcrypt $2y$', `$2y$05$${BCRYPT}`, 'U*U'],
  ['bcrypt of Django', `bcrypt$$2b$05$${BCRYPT}`, 'U*U'],
  [
    'bcrypt over SHA-256 of Django',
    `bcrypt_sha256$${bcrypt.hashSync(createHash('sha256').update('password').digest('hex'), 4)}`,
    'password',
  ],
  ['scrypt of passlib', `$scrypt$ln=14,r=8,p=1$${base64('SodiumChloride')}$${base64(SCRYPT, 'hex')}`, 'pleaseletmein'],
  ['scrypt of Django', `scrypt$16384$SodiumChloride$8$1$${Buffer.from(SCRYPT, 'hex').toString('base64')}`, 'pleaseletmein'],
  ['scrypt of Werkzeug', `scrypt:16384:8:1$SodiumChloride$${SCRYPT}`, 'pleaseletmein'],
  ["Firebase's scrypt", FIREBASE, 'user1password'],
];

describe('Password hashes of other servers', () => {
  for (const [name, hash, password] of KNOWN)
    it(`${name}: the password fits, another does not, and the hash is to be replaced`, async () => {
      assert.equal(await verifyPassword(hash, password), true);
      assert.equal(await verifyPassword(hash, `${password}!`), false);
      assert.equal(await verifyPassword(hash, ''), false);
      assert.equal(isOutdated(hash), true);
      assert.equal(readForeignHash(hash)?.problem, undefined);
    });

  it('argon2 in each type, with other parameters, and with what Django writes before it', async () => {
    for (const type of [argon2.argon2d, argon2.argon2i, argon2.argon2id] as const) {
      const hash = await argon2.hash('password', { type, memoryCost: 1024, timeCost: 3, parallelism: 2 });
      for (const text of [hash, `argon2${hash}`]) {
        assert.equal(await verifyPassword(text, 'password'), true, text);
        assert.equal(await verifyPassword(text, 'passwort'), false, text);
        assert.equal(isOutdated(text), true);
      }
    }
  });

  it('fit what the user typed, and its normal form', async () => {
    const decomposed = '비밀번호'.normalize('NFD');
    const options = { memoryCost: 1024, timeCost: 2, parallelism: 1 };
    assert.equal(await verifyPassword(await argon2.hash(decomposed, options), decomposed), true);
    assert.equal(await verifyPassword(await argon2.hash(decomposed.normalize('NFKC'), options), decomposed), true);
  });

  it('that cost more than a sign-in may are named, and are not verified', async () => {
    const salt = base64('saltsaltsaltsalt');
    const value = base64('x'.repeat(32));
    for (const hash of [
      `$pbkdf2-sha512$i=4000000000,l=32$${salt}$${value}`,
      `pbkdf2_sha256$99999999$salt$${value}`,
      `$2b$31$${BCRYPT}`,
      `$scrypt$ln=30,r=8,p=1$${salt}$${value}`,
      `scrypt$16384$salt$8$999$${value}`,
      `$argon2id$v=19$m=4194304,t=3,p=1$${salt}$${value}`,
      `$argon2id$v=19$m=65536,t=9999,p=1$${salt}$${value}`,
    ]) {
      assert.match(String(readForeignHash(hash)?.problem), /its cost is too high for a sign-in/, hash);
      assert.equal(await verifyForeignHash(hash, 'password'), false);
    }
  });

  it('that are none, or that every password would fit, are not read', async () => {
    for (const text of [
      '',
      'password',
      '$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/',
      '$6$saltsalt$abc',
      'pbkdf2_sha256$4096$salt$',
      'pbkdf2_sha256$0$salt$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==',
      '$pbkdf2-sha256$i=4096,l=0$c2FsdA$',
      '$pbkdf2-md5$4096$c2FsdA$AAAAAAAAAAAAAAAAAAAAAA',
      '$scrypt$ln=14,r=8,p=1$c2FsdA$AA',
      '$2b$05$short',
      `$2x$05$${BCRYPT}`,
      FIREBASE.slice(0, -60),
      `$pbkdf2-sha256$i=4096,l=32$c2FsdA$${'A'.repeat(5_000)}`,
    ]) {
      assert.equal(readForeignHash(text), undefined, text);
      assert.equal(await verifyPassword(text, ''), false, text);
    }
  });
});
