import type { Client, KoaContextWithOIDC, RefreshToken } from 'oidc-provider';
import { DAY } from '../../platform/clock.ts';
import { hasFapiProfile, isPublic } from '../clients/client-profile.ts';

/** Owns how a client's refresh tokens behave: whether they rotate, how long they live, and how long a repeat gets the same response. */

/** Seconds since issue, or since the last use of a refresh token that does not rotate. The grant bounds both. */
export const REFRESH_TOKEN_SECONDS = 14 * DAY;

/** Seconds; upper bound of the client member `refresh_token_grace`. */
export const MAX_GRACE_SECONDS = 60;
const DEFAULT_GRACE_SECONDS = 10;

/**
 * @returns for how many seconds a repeat of the newest used refresh token gets the response of the first use.
 * 0 for the FAPI profile, whose refresh tokens do not rotate (FAPI 2.0 section 5.3.2.1).
 */
export function graceSeconds(client: Client): number {
  if (hasFapiProfile(client)) return 0;
  const chosen = client['refresh_token_grace'];
  return typeof chosen === 'number' ? Math.min(chosen, MAX_GRACE_SECONDS) : DEFAULT_GRACE_SECONDS;
}

/**
 * Whether a new refresh token replaces the one of this request. For a public client it always does: rotation reveals a stolen token
 * (RFC 9700 section 4.14.2). Other clients authenticate at each use, or prove the key that the token is bound to.
 */
export function rotatesRefreshToken({ oidc: { entities } }: KoaContextWithOIDC): boolean {
  const [client, token] = [entities.Client as Client, entities.RefreshToken as RefreshToken];
  if (isPublic(client) && !token.isSenderConstrained()) return true;
  return !hasFapiProfile(client) && client['refresh_token_rotation'] !== false;
}
