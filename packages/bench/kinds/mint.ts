import type { Provider } from 'oidc-provider';
import { CLIENT, SCOPE } from '../fixtures.ts';
import { CHALLENGE } from '../operations.ts';

const AT_ONCE = 50;

/** Codes as the authorization endpoint makes them after a person agreed: each under a grant of its own. */
export async function mintCodes(provider: Provider, count: number, account: string): Promise<string[]> {
  const client = await provider.Client.find(CLIENT.client_id);
  const one = async () => {
    const grant = new provider.Grant({ accountId: account, clientId: CLIENT.client_id });
    grant.addOIDCScope(SCOPE);
    const grantId = await grant.save();
    return new provider.AuthorizationCode({
      accountId: account,
      client,
      grantId,
      gty: 'authorization_code',
      redirectUri: CLIENT.redirect_uris[0],
      scope: SCOPE,
      codeChallenge: CHALLENGE,
      codeChallengeMethod: 'S256',
      authTime: Math.floor(Date.now() / 1000),
    } as never).save();
  };
  const codes: string[] = [];
  while (codes.length < count) codes.push(...(await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - codes.length) }, one))));
  return codes;
}
