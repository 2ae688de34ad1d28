import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FAPI_PROFILE } from '../../src/oauth/clients/client-profile.ts';
import { graceSeconds, rotatesRefreshToken } from '../../src/oauth/tokens/refresh-policy.ts';

const fapi = { fapi_profile: FAPI_PROFILE };
const rotates = (client: object, bound = false) =>
  rotatesRefreshToken({ oidc: { entities: { Client: client, RefreshToken: { isSenderConstrained: () => bound } } } } as never);

describe('The policy for refresh tokens', () => {
  it("stores a response for 10 seconds, or for up to a minute by the client's choice, and never for the FAPI profile", () => {
    for (const [client, seconds] of [
      [{}, 10],
      [{ clientAuthMethod: 'none' }, 10],
      [{ refresh_token_grace: 0 }, 0],
      [{ refresh_token_grace: 60 }, 60],
      [{ refresh_token_grace: 3_600 }, 60],
      [{ ...fapi, refresh_token_grace: 30 }, 0],
    ] as const)
      assert.equal(graceSeconds(client as never), seconds, JSON.stringify(client));
  });

  it('rotates by default, never for the FAPI profile (FAPI 2.0 section 5.3.2.1), and always for a public client without DPoP', () => {
    const plain = { clientAuthMethod: 'none' };
    for (const [client, bound, expected] of [
      [{}, false, true],
      [{ refresh_token_rotation: false }, false, false],
      [fapi, false, false],
      [{ ...fapi, refresh_token_rotation: true }, false, false],
      [plain, true, true],
      [{ ...plain, refresh_token_rotation: false }, true, false],
      [{ ...plain, refresh_token_rotation: false }, false, true],
      [{ ...plain, ...fapi }, false, true],
    ] as const)
      assert.equal(rotates(client, bound), expected, `${JSON.stringify(client)} ${bound}`);
  });
});
