import { createCipheriv, createDecipheriv, createHash, createHmac, hash, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';

/**
 * SHA-256 of a credential, the only form in which one is stored. A fast hash is enough: the input is random and long, so nobody can guess
 * it. Passwords use argon2id instead, see people/passwords.ts.
 */
export function digest(credential: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(hash('sha256', credential, 'buffer'));
}

/** The same in hexadecimal, for text. */
export function digestInHex(credential: string): string {
  return hash('sha256', credential, 'hex');
}

/** 256 random bits in base64url: 43 characters. */
export function randomSecret(): string {
  return randomBytes(32).toString('base64url');
}

/** A UUID that sorts by creation time (RFC 9562 section 5.7), like those of the database. */
export function timeOrderedId(now: number = Date.now()): string {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(now, 0, 6);
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x70;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** A keyed digest in base64url, for tokens that are recomputed rather than stored (CSRF). */
export function keyedDigest(key: string, text: string): string {
  return createHmac('sha256', key).update(text).digest('base64url');
}

/** Compares two strings in constant time. */
export function equalSecrets(a: string, b: string): boolean {
  const [left, right] = [digest(a), digest(b)];
  return timingSafeEqual(left, right);
}

/** A key for one purpose, derived from a secret of at least 128 random bits (RFC 5869). @param bytes length of the key. */
export function derivedKey(secret: Uint8Array | string, purpose: string, bytes = 32): Uint8Array<ArrayBuffer> {
  return new Uint8Array(hkdfSync('sha256', secret, '', purpose, bytes));
}

/** The same in base64url, for callers that need the key as text. */
export function derivedSecret(master: Uint8Array, purpose: string): string {
  return Buffer.from(derivedKey(master, purpose)).toString('base64url');
}

/** The key that encrypted the value is not in this ring. Another node may have it. */
export class UnknownKey extends Error {}

const keyIds = new WeakMap<Uint8Array, string>();

/** @returns the short id of a key of 32 bytes, stored with each value that it encrypted. */
export function keyId(key: Uint8Array): string {
  const known = keyIds.get(key) ?? createHash('sha256').update(key).digest('hex').slice(0, 8);
  keyIds.set(key, known);
  return known;
}

/**
 * Encrypts at rest with AES-256-GCM. The first key encrypts; every key decrypts. `context` is authenticated with the text, so a value moved
 * to another row cannot be decrypted.
 */
export class KeyRing {
  readonly #keys: Uint8Array[];

  /**
   * @param keys 32 bytes each. The first one encrypts; key-use.ts may move another to the front later.
   * @throws RangeError for an empty list or a key of another length.
   */
  constructor(keys: Uint8Array[]) {
    if (!keys.length || keys.some((key) => key.length !== 32)) throw new RangeError('a key ring needs keys of 32 bytes');
    this.#keys = keys;
  }

  /** The master keys, for deriving secrets. The first one derives new secrets. */
  get masters(): Uint8Array[] {
    return [...this.#keys];
  }

  /** Prefix of a value that the first key encrypted. */
  get newest(): string {
    return `v1.${keyId(this.#first)}.`;
  }

  get #first(): Uint8Array {
    return this.#keys[0] as Uint8Array;
  }

  encrypt(text: string, context: string): string {
    const iv = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', this.#first, iv).setAAD(Buffer.from(context));
    const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    return ['v1', keyId(this.#first), iv.toString('base64url'), sealed.toString('base64url')].join('.');
  }

  /** @throws UnknownKey when the ring lacks the key, Error when the text was modified. */
  decrypt(sealed: string, context: string): string {
    const [version, id, iv, body] = sealed.split('.');
    const key = this.#keys.find((candidate) => keyId(candidate) === id);
    if (version !== 'v1' || !key || !iv || !body) throw new UnknownKey(`no key in DATA_ENCRYPTION_KEYS opens this value (key id ${id})`);
    const bytes = Buffer.from(body, 'base64url');
    const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(iv, 'base64url')).setAAD(Buffer.from(context));
    decipher.setAuthTag(bytes.subarray(-16));
    return Buffer.concat([decipher.update(bytes.subarray(0, -16)), decipher.final()]).toString('utf8');
  }
}
