import { timingSafeEqual } from 'node:crypto';
import { digestInHex } from '../../platform/secrets.ts';

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

/** @returns the handle of a secret, when it is one of those that the handles stand for; in a time that does not tell which. */
export function matchingHandle(handles: string | undefined, secret: string): string | undefined {
  if (!isSecretHandle(handles)) return undefined;
  const handle = secretHandle(secret);
  const presented = Buffer.from(handle);
  return handles.split(',').filter((kept) => timingSafeEqual(Buffer.from(kept), presented)).length > 0 ? handle : undefined;
}

/** What a handle stands for, as the database keeps it. */
export const digestOf = (handle: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(handle.slice('sha256:'.length), 'hex'));

// Of a shorter one, eight characters would be too much to tell.
const TELLING_LENGTH = 24;

/** By what its owner tells one secret from another, when neither can be seen any more: its beginning and its end. Null for one so short that this would tell too much. */
export function secretHint(secret: string): string | null {
  const plain = /^[\x21-\x7e]+$/.test(secret);
  return plain && secret.length >= TELLING_LENGTH ? `${secret.slice(0, 4)}…${secret.slice(-4)}` : null;
}

/** Whether a client proves who it is by a secret (RFC 7591 section 2: unless it says otherwise). */
export const hasSecret = (metadata: Record<string, unknown>): boolean =>
  !['none', 'private_key_jwt'].includes(String(metadata['token_endpoint_auth_method'] ?? 'client_secret_basic'));
