import { timingSafeEqual } from 'node:crypto';
import { digestInHex } from '../platform/secrets.ts';

/**
 * Owns what stands in for a client secret once it has been shown. Secrets are 256 random bits of ours, so SHA-256 is enough
 * (a slow hash would cost each introspection what a sign-in costs).
 *
 * The library wants a `client_secret` in the metadata of a client that authenticates with one: it gets handles,
 * the digests of the live secrets, which nobody can authenticate with.
 */

const HANDLE = /^sha256:[0-9a-f]{64}(,sha256:[0-9a-f]{64})*$/;

/** @param secret as the client sends it. */
export function secretHandle(secret: string): string {
  return `sha256:${digestInHex(secret)}`;
}

/** The handles of all live secrets, as one value. @param digests in hex. */
export function joinHandles(digests: string[]): string {
  return digests.map((digest) => `sha256:${digest}`).join(',');
}

export function isSecretHandle(value: unknown): value is string {
  return typeof value === 'string' && HANDLE.test(value);
}

/** Whether a secret is one of those that the handles stand for, in a time that does not tell which. */
export function secretMatches(handles: string | undefined, secret: string): boolean {
  if (!isSecretHandle(handles)) return false;
  const presented = Buffer.from(secretHandle(secret));
  return handles.split(',').filter((handle) => timingSafeEqual(Buffer.from(handle), presented)).length > 0;
}
