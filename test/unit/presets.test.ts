import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PRESETS, presetNamed } from '../../src/features/federation/presets.ts';
import { PROVIDER_ID, settingsSchema, type UpstreamProvider } from '../../src/features/federation/providers.ts';
import { beginAuthorization } from '../../src/features/federation/upstream.ts';
import { KeyRing } from '../../src/platform/secrets.ts';

const keyRing = new KeyRing([new Uint8Array(32)]);

/** The result of our settings for a provider without discovery. Providers with discovery publish their own settings. */
async function authorizationOf(id: string, settings: Record<string, unknown>): Promise<URL> {
  const parsed = settingsSchema.parse({ ...settings, clientId: 'our-client', clientAuthMethod: 'none' });
  const provider: UpstreamProvider = { id, name: id, settings: parsed, credentials: null, services: [] };
  const redirectUri = `https://auth.example/upstream/${id}/callback`;
  const { url } = await beginAuthorization(keyRing, provider, { redirectUri, state: 'state', scopes: parsed.scopes, offline: false });
  return new URL(url);
}

describe('Presets of upstream providers', () => {
  it('exist for popular providers', () => {
    assert.deepEqual(Object.keys(PRESETS).toSorted(), ['apple', 'github', 'google', 'kakao', 'microsoft', 'naver']);
    assert.deepEqual(presetNamed(undefined), {});
    for (const name of ['toString', '__proto__', '', 'Google']) assert.throws(() => presetNamed(name), RangeError);
  });

  for (const [id, { name, settings }] of Object.entries(PRESETS)) {
    it(`${id}: has settings that need only our client id, with public https addresses`, () => {
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
      // OpenID Connect providers identify users by `sub`; the others have an endpoint for it.
      assert.equal(parsed.issuer === undefined, parsed.claims.subject !== 'sub');
      if (parsed.issuer) assert(parsed.scopes.includes('openid'));
    });
  }

  for (const id of ['github', 'kakao', 'naver']) {
    it(`${id}: begins a link with the right parameters`, async () => {
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
