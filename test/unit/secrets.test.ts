import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isSecretHandle, joinHandles, matchingHandle, secretHandle } from '../../src/oauth/clients/secrets.ts';
import { KeyRing } from '../../src/platform/secrets.ts';

const key = () => new Uint8Array(randomBytes(32));

describe('The key ring', () => {
  it('decrypts what it encrypted, in the same context only', () => {
    const ring = new KeyRing([key()]);
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (text, context) => {
        const sealed = ring.encrypt(text, context);
        assert.equal(ring.decrypt(sealed, context), text);
        assert.throws(() => ring.decrypt(sealed, `${context}x`));
      }),
    );
  });

  it('decrypts with an older key, encrypts with the newest, and fails without the key', () => {
    const [older, newer] = [key(), key()];
    const sealed = new KeyRing([older]).encrypt('text', 'c');
    const both = new KeyRing([newer, older]);
    assert.equal(both.decrypt(sealed, 'c'), 'text');
    assert.throws(() => new KeyRing([newer]).decrypt(sealed, 'c'), /no key in DATA_ENCRYPTION_KEYS/);
    assert.equal(new KeyRing([newer]).decrypt(both.encrypt('text', 'c'), 'c'), 'text');
  });

  it('detects a changed byte', () => {
    const ring = new KeyRing([key()]);
    const [version, id, iv, body] = ring.encrypt('text', 'c').split('.') as [string, string, string, string];
    const bytes = Buffer.from(body, 'base64url');
    bytes[0] = (bytes[0] as number) ^ 1;
    assert.throws(() => ring.decrypt([version, id, iv, bytes.toString('base64url')].join('.'), 'c'));
  });

  it('accepts only keys of 32 bytes', () => {
    assert.throws(() => new KeyRing([]), RangeError);
    assert.throws(() => new KeyRing([new Uint8Array(16)]), RangeError);
  });
});

describe('Handles of client secrets', () => {
  it('match the secrets they were made of, and no other', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), (one, two, other) => {
        const digests = [one, two].map((secret) => secretHandle(secret).slice('sha256:'.length));
        const handles = joinHandles(digests);
        assert.ok(isSecretHandle(handles));
        assert.ok(matchingHandle(handles, one) && matchingHandle(handles, two));
        assert.equal(matchingHandle(handles, other) !== undefined, other === one || other === two);
        assert.ok(!matchingHandle(handles, handles), 'a handle is no secret');
      }),
    );
  });

  it('match nothing where there is no secret', () => {
    for (const handles of [undefined, '', 'sha256:', 'secret']) assert.ok(!matchingHandle(handles, handles ?? ''));
  });
});
