import type { Client, KoaContextWithOIDC, RefreshToken } from 'oidc-provider';
import { DAY } from '../../platform/clock.ts';
import { hasFapiProfile, isPublic } from '../clients/client-profile.ts';

/** Owns how a client's refresh tokens behave: whether they rotate, how long they live, and how long a repeat gets the same answer. */

/** Seconds from issue, or from the last use of a refresh token that does not rotate. The grant bounds both. */
export const REFRESH_TOKEN_SECONDS = 14 * DAY;

/** Seconds; bounds of the client member `refresh_token_grace`. */
export const MAX_GRACE_SECONDS = 60;
const DEFAULT_GRACE_SECONDS = 10;

/**
 * For how many seconds a repeat of the newest used refresh token gets the answer that the first use got.
 * 0 for the FAPI profile, whose refresh tokens do not rotate (FAPI 2.0 section 5.3.2.1).
 */
export function graceSeconds(client: Client): number {
  if (hasFapiProfile(client)) return 0;
  const chosen = client['refresh_token_grace'];
  return typeof chosen === 'number' ? Math.min(chosen, MAX_GRACE_SECONDS) : DEFAULT_GRACE_SECONDS;
}

/**
 * Whether the refresh token of this request is replaced by another one. For a plain public client it always is: rotation is how a stolen one
 * is noticed (RFC 9700 section 4.14.2). Other clients prove who they are at each use, by their credentials or by the token's key.
 */
export function rotatesRefreshToken({ oidc: { entities } }: KoaContextWithOIDC): boolean {
  const [client, token] = [entities.Client as Client, entities.RefreshToken as RefreshToken];
  if (isPublic(client) && !token.isSenderConstrained()) return true;
  return !hasFapiProfile(client) && client['refresh_token_rotation'] !== false;
}
