import { createCipheriv, scrypt, timingSafeEqual } from 'node:crypto';
import { type ForeignHash, fromBase64, fromHex, isPlausible, type ReadHash, tooCostly } from './foreign-hash.ts';

/**
 * Owns hashes by scrypt (RFC 7914): `$scrypt$ln=14,r=8,p=1$salt$hash` of passlib, Django's `scrypt$salt`, Werkzeug's `scrypt:N:r:p`, and
 * Firebase's, which encrypts the project's key with what scrypt gives.
 * @see https://github.com/firebase/scrypt
 */

// A sign-in takes at most this memory, two of which run at once, and about a second.
const MOST_MEMORY = 256 * 1024 * 1024;
const MOST_WORK = 2 ** 21;

const PHC = /^(\$scrypt\$ln=(\d{1,2}),r=(\d{1,3}),p=(\d{1,3})\$)([^$]+)\$([^$]+)$/;
const DJANGO = /^(scrypt\$(\d{1,9})\$)([^$]+)\$(\d{1,3})\$(\d{1,3})\$([^$]+)$/;
const WERKZEUG = /^(scrypt:(\d{1,9}):(\d{1,3}):(\d{1,3})\$)([^$]+)\$([0-9a-f]+)$/;
const FIREBASE = /^(\$fbscrypt\$v=1,n=(\d{1,2}),r=(\d{1,3}),p=(\d{1,3}),ss=([^,$]*),sk=([^,$]+)\$)([^$]+)\$([^$]+)$/;

type Cost = { N: number; r: number; p: number };

export const readScrypt: ReadHash = (text) => {
  const phc = PHC.exec(text);
  if (phc) return plain(phc[1], cost(2 ** Number(phc[2]), phc[3], phc[4]), fromBase64(phc[5] ?? ''), fromBase64(phc[6] ?? ''));
  const django = DJANGO.exec(text);
  if (django)
    return plain(django[1], cost(Number(django[2]), django[4], django[5]), Buffer.from(django[3] ?? ''), fromBase64(django[6] ?? ''));
  const own = WERKZEUG.exec(text);
  if (own) return plain(own[1], cost(Number(own[2]), own[3], own[4]), Buffer.from(own[5] ?? ''), fromHex(own[6] ?? ''));
  const firebase = FIREBASE.exec(text);
  return firebase ? firebaseHash(firebase) : undefined;
};

const cost = (N: number, r = '', p = ''): Cost => ({ N, r: Number(r), p: Number(p) });

function plain(beginning = '', cost: Cost, salt: Buffer | undefined, hash: Buffer | undefined): ForeignHash | undefined {
  if (!salt || !hash || !isPlausible(hash) || !isPossible(cost)) return undefined;
  const verify = async (password: string) => timingSafeEqual(await derive(password, salt, hash.length, cost), hash);
  return { kind: 'scrypt', beginning, ...problemOf(cost), verify };
}

function firebaseHash([, beginning = '', n, r, p, separator = '', key = '', salted = '', hashed = '']: RegExpExecArray) {
  const parameters = cost(2 ** Number(n), r, p);
  const [salt, hash, signer] = [fromBase64(salted), fromBase64(hashed), fromBase64(key)];
  const after = separator ? fromBase64(separator) : Buffer.alloc(0);
  if (!salt || !hash || !signer || !after || !isPlausible(hash) || signer.length !== hash.length || !isPossible(parameters))
    return undefined;
  return {
    kind: 'firebase-scrypt',
    beginning,
    ...problemOf(parameters),
    async verify(password: string) {
      const cipher = createCipheriv('aes-256-ctr', await derive(password, Buffer.concat([salt, after]), 32, parameters), Buffer.alloc(16));
      return timingSafeEqual(Buffer.concat([cipher.update(signer), cipher.final()]), hash);
    },
  };
}

const isPossible = ({ N, r, p }: Cost): boolean => N > 1 && Number.isInteger(Math.log2(N)) && r > 0 && p > 0;

const memoryOf = ({ N, r }: Cost): number => 128 * N * r;

function problemOf(cost: Cost): { problem: string } | undefined {
  const work = cost.N * cost.r * cost.p;
  if (memoryOf(cost) <= MOST_MEMORY && work <= MOST_WORK) return undefined;
  return { problem: tooCostly(`N=${cost.N}, r=${cost.r}, p=${cost.p}`, `${MOST_MEMORY / 1024 / 1024} MiB and N*r*p=${MOST_WORK}`) };
}

function derive(password: string, salt: Buffer, length: number, cost: Cost): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    // OpenSSL counts a little more than 128 * N * r.
    scrypt(password, salt, length, { ...cost, maxmem: memoryOf(cost) + 32 * 1024 * 1024 }, (error, key) => {
      if (error) reject(error);
      else resolve(key);
    });
  });
}

/** @returns the string of a hash of Firebase, whose export has the salt apart and the parameters elsewhere. */
export const firebaseString = (config: FirebaseConfig, salt: string, hash: string): string =>
  `$fbscrypt$v=1,n=${config.memCost},r=${config.rounds},p=1,ss=${config.saltSeparator},sk=${config.signerKey}$${standard(salt)}$${standard(hash)}`;

/** The password hash parameters of a project, as its console shows them. */
export type FirebaseConfig = { signerKey: string; saltSeparator: string; rounds: number; memCost: number };

// Firebase's command writes base64 for URLs.
const standard = (text: string): string => text.replaceAll('-', '+').replaceAll('_', '/');
