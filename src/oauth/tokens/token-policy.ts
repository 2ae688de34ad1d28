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

/** Owns token lifetimes, who gets a refresh token, and what a revocation ends. */

/** Seconds. A grant is never extended, so its lifetime bounds every chain of refresh tokens (RFC 9700 section 4.14.2). */
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
 * A client that registered the refresh_token grant gets a refresh token. `offline_access` only decides whether that token
 * outlives the user's session: see expiresWithSession.
 */
export async function issueRefreshToken(_ctx: KoaContextWithOIDC, client: Client): Promise<boolean> {
  return client.grantTypeAllowed('refresh_token');
}

/**
 * Without offline_access, signing out ends the client's tokens (OIDC Core section 11). A device does not share the browser that
 * approved it, so the device stays signed in after that browser signs out.
 */
export async function expiresWithSession(
  _ctx: KoaContextWithOIDC,
  source: AuthorizationCode | DeviceCode | AccessToken | RefreshToken,
): Promise<boolean> {
  return source.kind !== 'DeviceCode' && !source.scopes.has('offline_access');
}

/**
 * Decides what else ends with a token. second-use.ts handles a second use of a code or refresh token, which never ends the grant.
 * When a client revokes a token, for example as its user signs out of it, that sign-in ends. Other sign-ins of the user remain.
 * The user's consent remains too.
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
