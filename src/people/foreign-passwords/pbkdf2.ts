import { pbkdf2, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { type ForeignHash, fromBase64, fromHex, isPlausible, type ReadHash, tooCostly } from './foreign-hash.ts';

/**
 * Owns hashes by PBKDF2 (RFC 8018 section 5.2), as they are written by Keycloak after its import (PHC), Hydra, passlib, Django and Werkzeug:
 * `$pbkdf2-sha512$i=210000,l=64$salt$hash`, `$pbkdf2-sha256$29000$salt$hash`, `pbkdf2_sha256$260000$salt$hash`, `pbkdf2:sha256:600000$salt$hex`.
 */

// About a second of one thread. Django 6 has 1,200,000 iterations of SHA-256, Keycloak 210,000 of SHA-512.
const MOST_ITERATIONS = 3_000_000;

const BYTES: Record<string, number> = { sha1: 20, sha224: 28, sha256: 32, sha384: 48, sha512: 64 };

const PHC = /^(\$pbkdf2(?:-(sha\d+))?\$(?:i=)?(\d{1,10})(?:,l=\d{1,3})?\$)([^$]+)\$([^$]+)$/;
const DJANGO = /^(pbkdf2_(sha\d+)\$(\d{1,10})\$)([^$]+)\$([^$]+)$/;
const WERKZEUG = /^(pbkdf2:(sha\d+):(\d{1,10})\$)([^$]+)\$([0-9a-f]+)$/;

const run = promisify(pbkdf2);

export const readPbkdf2: ReadHash = (text) => {
  const phc = PHC.exec(text);
  if (phc) return made(phc, { salt: fromBase64(phc[4] ?? ''), hash: fromBase64(phc[5] ?? '') });
  const django = DJANGO.exec(text);
  if (django) return made(django, { salt: Buffer.from(django[4] ?? ''), hash: fromBase64(django[5] ?? '') });
  const werkzeug = WERKZEUG.exec(text);
  return werkzeug ? made(werkzeug, { salt: Buffer.from(werkzeug[4] ?? ''), hash: fromHex(werkzeug[5] ?? '') }) : undefined;
};

function made(
  [, beginning = '', digest = 'sha1', rounds = '']: RegExpExecArray,
  { salt, hash }: { salt: Buffer | undefined; hash: Buffer | undefined },
): ForeignHash | undefined {
  const iterations = Number(rounds);
  const size = BYTES[digest];
  if (!salt || !hash || !isPlausible(hash) || !size || iterations < 1) return undefined;
  // Each block of the result costs all iterations again.
  const work = iterations * Math.ceil(hash.length / size);
  return {
    kind: `pbkdf2-${digest}`,
    beginning,
    ...(work > MOST_ITERATIONS ? { problem: tooCostly(`${work} iterations`, `${MOST_ITERATIONS}`) } : undefined),
    verify: async (password) => timingSafeEqual(await run(password, salt, iterations, hash.length, digest), hash),
  };
}

/** @returns the PHC string of a hash whose parts are stored apart, as Keycloak does. */
export const pbkdf2String = (digest: string, iterations: number, salt: Buffer, hash: Buffer): string =>
  `$pbkdf2-${digest}$i=${iterations},l=${hash.length}$${unpadded(salt)}$${unpadded(hash)}`;

const unpadded = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '');
