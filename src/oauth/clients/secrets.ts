import { timingSafeEqual } from 'node:crypto';
import { digestInHex } from '../../platform/secrets.ts';

/**
 * Owns the stored form of client secrets. Secrets are 256 random bits that this server creates, so SHA-256 is enough.
 * A slow hash would make each introspection cost as much as a sign-in.
 *
 * The library requires a `client_secret` in the metadata of a client that authenticates by one. It gets handles,
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

/** @returns the handle of a secret, if it is among the given handles. The comparison takes constant time. */
export function matchingHandle(handles: string | undefined, secret: string): string | undefined {
  if (!isSecretHandle(handles)) return undefined;
  const handle = secretHandle(secret);
  const presented = Buffer.from(handle);
  return handles.split(',').filter((kept) => timingSafeEqual(Buffer.from(kept), presented)).length > 0 ? handle : undefined;
}

/** The digest behind a handle, as the database stores it. */
export const digestOf = (handle: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(handle.slice('sha256:'.length), 'hex'));

// Eight characters of a shorter secret would reveal too much.
const TELLING_LENGTH = 24;

/** @returns the first and last characters of a secret, by which its owner recognizes it later. Null for a secret too short to show any. */
export function secretHint(secret: string): string | null {
  const plain = /^[\x21-\x7e]+$/.test(secret);
  return plain && secret.length >= TELLING_LENGTH ? `${secret.slice(0, 4)}…${secret.slice(-4)}` : null;
}

/** Whether a client authenticates by a secret (RFC 7591 section 2: by default it does). */
export const hasSecret = (metadata: Record<string, unknown>): boolean =>
  !['none', 'private_key_jwt'].includes(String(metadata['token_endpoint_auth_method'] ?? 'client_secret_basic'));
