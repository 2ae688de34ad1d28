import type {
  AccessToken,
  AuthorizationCode,
  Client,
  ClientCredentials,
  DeviceCode,
  KoaContextWithOIDC,
  RefreshToken,
} from 'oidc-provider';
import { DAY, HOUR, MINUTE } from '../../platform/clock.ts';
import type { Database } from '../../platform/database.ts';
import { endSignIn } from '../store/grants.ts';
import { REFRESH_TOKEN_SECONDS } from './refresh-policy.ts';
import { settleSecondUse } from './second-use.ts';

/** Owns how long things live, who gets a refresh token, and what ends with one. */

/** Seconds. A grant is never prolonged, so its life is the longest that any chain of refresh tokens can have (RFC 9700 section 4.14.2). */
export const ttl = {
  AccessToken: (_ctx: KoaContextWithOIDC, token: AccessToken) => token.resourceServer?.accessTokenTTL ?? HOUR,
  ClientCredentials: (_ctx: KoaContextWithOIDC, token: ClientCredentials) => token.resourceServer?.accessTokenTTL ?? HOUR,
  AuthorizationCode: MINUTE,
  DeviceCode: 10 * MINUTE,
  IdToken: HOUR,
  RefreshToken: REFRESH_TOKEN_SECONDS,
  Grant: 90 * DAY,
  Session: 14 * DAY,
  Interaction: HOUR,
};

/**
 * A client that registered the refresh_token grant gets one. `offline_access` decides something else: whether it
 * outlives the person's session, see expiresWithSession.
 */
export async function issueRefreshToken(_ctx: KoaContextWithOIDC, client: Client): Promise<boolean> {
  return client.grantTypeAllowed('refresh_token');
}

/**
 * Without offline_access, signing out ends what the client got (OIDC Core section 11). A device is no part of the browser that
 * answered for it: it stays signed in when that browser does not.
 */
export async function expiresWithSession(
  _ctx: KoaContextWithOIDC,
  source: AuthorizationCode | DeviceCode | AccessToken | RefreshToken,
): Promise<boolean> {
  return source.kind !== 'DeviceCode' && !source.scopes.has('offline_access');
}

/**
 * What ends besides a token. A second use of a code or refresh token is settled in second-use.ts, and never ends the grant: what the user
 * allowed stays. A client that gives a token back, such as when a user signs out of it, ends that sign-in: they are signed in to it
 * elsewhere still, and need not allow again what they allowed.
 * @returns whether the grant ends.
 */
export function revokeGrantPolicy(database: Database) {
  return async (ctx: KoaContextWithOIDC): Promise<boolean> => {
    const { route, entities } = ctx.oidc;
    if (route === 'token') {
      await settleSecondUse(database, ctx);
      return false;
    }
    const token = entities.RefreshToken ?? entities.AccessToken;
    if (route !== 'revocation' || !token?.grantId || !token.sessionUid) return true;
    await endSignIn(database, { kind: token.kind, jti: token.jti, grantId: token.grantId, sessionUid: token.sessionUid });
    return false;
  };
}
