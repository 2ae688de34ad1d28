import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

/**
 * An authenticator in software (WebAuthn level 3 section 6), for what a browser would never send: another origin, a user who was not
 * verified, a counter that goes back. It makes ES256 keys and answers as a credential's toJSON() does.
 */
export class Authenticator {
  readonly id = randomBytes(16).toString('base64url');
  readonly #keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  readonly #issuer: string;
  counter = 0;
  userHandle: string | undefined;

  constructor(issuer: string) {
    this.#issuer = issuer;
  }

  /** navigator.credentials.create() */
  async create(options: { challenge: string; user?: { id: string } }, lie: Lie = {}): Promise<string> {
    this.userHandle = options.user?.id;
    const attestationObject = map(
      ['fmt', text('none')],
      ['attStmt', map()],
      ['authData', bytes(Buffer.concat([this.#authenticatorData(0x41, lie), this.#attestedCredential()]))],
    );
    return this.#answer(lie, {
      clientDataJSON: this.#clientData('webauthn.create', options.challenge, lie),
      attestationObject: attestationObject.toString('base64url'),
      transports: ['internal'],
    });
  }

  /** navigator.credentials.get() */
  async get(options: { challenge: string }, lie: Lie = {}): Promise<string> {
    const authenticatorData = this.#authenticatorData(0x01, lie);
    const clientDataJSON = this.#clientData('webauthn.get', options.challenge, lie);
    const signed = Buffer.concat([authenticatorData, sha256(Buffer.from(clientDataJSON, 'base64url'))]);
    return this.#answer(lie, {
      clientDataJSON,
      authenticatorData: authenticatorData.toString('base64url'),
      signature: sign('sha256', signed, lie.key ?? this.#keys.privateKey).toString('base64url'),
      userHandle: 'userHandle' in lie ? lie.userHandle : this.userHandle,
    });
  }

  #answer(lie: Lie, response: Record<string, unknown>): string {
    const id = lie.id ?? this.id;
    return JSON.stringify({ id, rawId: id, type: 'public-key', authenticatorAttachment: 'platform', clientExtensionResults: {}, response });
  }

  #clientData(type: string, challenge: string, { origin = new URL(this.#issuer).origin, type: other }: Lie): string {
    return Buffer.from(JSON.stringify({ type: other ?? type, challenge, origin, crossOrigin: false })).toString('base64url');
  }

  #authenticatorData(flags: number, { rpId = new URL(this.#issuer).hostname, verified = true, counter = this.counter }: Lie): Buffer {
    const count = Buffer.alloc(4);
    count.writeUInt32BE(counter);
    return Buffer.concat([sha256(Buffer.from(rpId)), Buffer.from([flags | (verified ? 0x04 : 0)]), count]);
  }

  #attestedCredential(): Buffer {
    const id = Buffer.from(this.id, 'base64url');
    const { x = '', y = '' } = this.#keys.publicKey.export({ format: 'jwk' });
    // COSE (RFC 9053 section 7.1.1): key type EC2, algorithm ES256, curve P-256, x, y.
    const key = map(
      [1, int(2)],
      [3, int(-7)],
      [-1, int(1)],
      [-2, bytes(Buffer.from(x, 'base64url'))],
      [-3, bytes(Buffer.from(y, 'base64url'))],
    );
    return Buffer.concat([Buffer.alloc(16), Buffer.from([0, id.length]), id, key]);
  }
}

/** What is told otherwise than it is. */
export type Lie = {
  id?: string;
  origin?: string;
  rpId?: string;
  type?: string;
  verified?: boolean;
  counter?: number;
  userHandle?: string | undefined;
  key?: KeyObject;
};

/** A private key of somebody else's. */
export const foreignKey = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;

const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest();

// As much of CBOR (RFC 8949) as the above needs.
const head = (major: number, length: number) =>
  length < 24
    ? Buffer.from([(major << 5) | length])
    : length < 256
      ? Buffer.from([(major << 5) | 24, length])
      : Buffer.from([(major << 5) | 25, length >> 8, length & 255]);
const int = (value: number) => (value >= 0 ? head(0, value) : head(1, -1 - value));
const text = (value: string) => Buffer.concat([head(3, value.length), Buffer.from(value)]);
const bytes = (value: Uint8Array) => Buffer.concat([head(2, value.length), value]);
const map = (...entries: [string | number, Buffer][]) =>
  Buffer.concat([head(5, entries.length), ...entries.flatMap(([key, value]) => [typeof key === 'string' ? text(key) : int(key), value])]);
