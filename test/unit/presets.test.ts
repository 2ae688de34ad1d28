import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PRESETS, presetNamed } from '../../src/features/federation/presets.ts';
import { PROVIDER_ID, settingsSchema, type UpstreamProvider } from '../../src/features/federation/providers.ts';
import { beginAuthorization } from '../../src/features/federation/upstream.ts';
import { KeyRing } from '../../src/platform/secrets.ts';

const keyRing = new KeyRing([new Uint8Array(32)]);

/** What our settings for a provider without discovery come to; that of the others is their own word, which a test does not ask for. */
async function authorizationOf(id: string, settings: Record<string, unknown>): Promise<URL> {
  const parsed = settingsSchema.parse({ ...settings, clientId: 'our-client', clientAuthMethod: 'none' });
  const provider: UpstreamProvider = { id, name: id, settings: parsed, credentials: null, services: [] };
  const redirectUri = `https://auth.example/upstream/${id}/callback`;
  const { url } = await beginAuthorization(keyRing, provider, { redirectUri, state: 'state', scopes: parsed.scopes, offline: false });
  return new URL(url);
}

describe('Presets of upstream providers', () => {
  it('are there for those that many use', () => {
    assert.deepEqual(Object.keys(PRESETS).toSorted(), ['apple', 'github', 'google', 'kakao', 'microsoft', 'naver']);
    assert.deepEqual(presetNamed(undefined), {});
    for (const name of ['toString', '__proto__', '', 'Google']) assert.throws(() => presetNamed(name), RangeError);
  });

  for (const [id, { name, settings }] of Object.entries(PRESETS)) {
    it(`${id}: settings that need nothing but who we are, with https alone and in public`, () => {
      assert.match(id, PROVIDER_ID);
      assert(name);
      const parsed = settingsSchema.parse({ ...settings, clientId: 'x' });
      assert.equal(parsed.privateNetwork, false);
      assert(parsed.signIn);
      const addresses = [parsed.issuer, ...Object.values(parsed.endpoints ?? {})].filter((address) => address !== undefined);
      assert(addresses.length);
      for (const address of addresses) {
        assert.equal(new URL(address).protocol, 'https:', address);
        assert.equal(new URL(address).port, '', address);
      }
      // Those of OpenID Connect are known by `sub`; the others are asked.
      assert.equal(parsed.issuer === undefined, parsed.claims.subject !== 'sub');
      if (parsed.issuer) assert(parsed.scopes.includes('openid'));
    });
  }

  for (const id of ['github', 'kakao', 'naver']) {
    it(`${id}: a link begins with the right parameters`, async () => {
      const settings = settingsSchema.parse({ ...presetNamed(id), clientId: 'x' });
      const url = await authorizationOf(id, settings);
      assert.equal(url.origin + url.pathname, settings.endpoints?.authorization);
      const { code_challenge: challenge, ...parameters } = Object.fromEntries(url.searchParams);
      assert.match(String(challenge), /^[\w-]{43}$/);
      assert.deepEqual(parameters, {
        client_id: 'our-client',
        response_type: 'code',
        redirect_uri: `https://auth.example/upstream/${id}/callback`,
        state: 'state',
        code_challenge_method: 'S256',
        ...(settings.scopes.length ? { scope: url.searchParams.get('scope') } : undefined),
      });
      assert.deepEqual(url.searchParams.get('scope')?.split(/[ ,]/) ?? [], settings.scopes);
    });
  }
});
