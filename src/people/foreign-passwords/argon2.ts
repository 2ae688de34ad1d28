import argon2 from 'argon2';
import { type ReadHash, tooCostly } from './foreign-hash.ts';

/** Owns hashes by Argon2 (RFC 9106) with the parameters of another server, also with Django's `argon2` before them. */

// A sign-in takes at most this memory, two of which run at once, and about a second.
const MOST_MEMORY_KIB = 256 * 1024;
const MOST_WORK_KIB = 1024 * 1024;
const MOST_LANES = 16;

const PHC = /^((argon2)?\$argon2(?:id|i|d)\$(?:v=(?:16|19)\$)?([a-z0-9=,]{1,60})\$)[A-Za-z0-9+/]{8,}\$[A-Za-z0-9+/]{22,172}$/;

export const readArgon2: ReadHash = (text) => {
  const [, beginning = '', django = '', parameters = ''] = PHC.exec(text) ?? [];
  const { m = 0, t = 0, p = 0 } = Object.fromEntries(parameters.split(',').map((pair) => [pair[0], Number(pair.slice(2))]));
  if (!beginning || !(m >= 8 && t >= 1 && p >= 1)) return undefined;
  const fits = m <= MOST_MEMORY_KIB && m * t <= MOST_WORK_KIB && p <= MOST_LANES;
  return {
    kind: 'argon2',
    beginning,
    ...(fits ? undefined : { problem: tooCostly(`m=${m}, t=${t}, p=${p}`, `m=${MOST_MEMORY_KIB}, m*t=${MOST_WORK_KIB}, p=${MOST_LANES}`) }),
    verify: (password) => argon2.verify(text.slice(django.length), password),
  };
};

export type Argon2Parts = { type: string; version: string; memory: number; passes: number; lanes: number; salt: Buffer; hash: Buffer };

/** @returns the PHC string of a hash whose parts are stored apart, as Keycloak does. */
export function argon2String({ type, version, memory, passes, lanes, salt, hash }: Argon2Parts): string {
  const [salted, hashed] = [salt, hash].map((bytes) => bytes.toString('base64').replace(/=+$/, ''));
  return `$argon2${type}$v=${version === '1.0' ? 16 : 19}$m=${memory},t=${passes},p=${lanes}$${salted}$${hashed}`;
}
