import { type Client, errors, type KoaContextWithOIDC, type Provider } from 'oidc-provider';
import { epochSeconds, MINUTE, systemClock } from '../platform/clock.ts';
import type { Database } from '../platform/database.ts';
import { rememberOnce } from '../protocol-store/records.ts';

/** Owns what the library leaves open of `private_key_jwt` (RFC 7523 section 3): how long an assertion may live, and that it is used once. */

const MAX_LIFE_SECONDS = 5 * MINUTE;
const CLOCK_SKEW_SECONDS = 30;

/** @throws errors.InvalidClientAuth for an assertion that lives too long or does not say when it was made, truthfully. */
export async function assertFreshAssertion(
  _ctx: KoaContextWithOIDC,
  claims: Record<string, unknown>,
  _header: Record<string, unknown>,
  _client: Client,
): Promise<void> {
  const now = epochSeconds(systemClock.now());
  const { exp, iat } = claims;
  if (typeof exp !== 'number' || !Number.isSafeInteger(exp) || exp > now + MAX_LIFE_SECONDS)
    throw new errors.InvalidClientAuth('assertion exp must be at most five minutes ahead');
  if (typeof iat !== 'number' || !Number.isFinite(iat) || iat > now + CLOCK_SKEW_SECONDS)
    throw new errors.InvalidClientAuth('assertion must have iat, and not one ahead');
}

/**
 * Makes the library's replay check one statement: its own finds first and saves after, which parallel requests all pass.
 * Serves assertions and DPoP proofs (RFC 9449 section 11.1) alike.
 */
export function rememberReplaysOnce(provider: Provider, database: Database): void {
  const model = provider.ReplayDetection as unknown as { unique(iss: string, jti: string, exp: number): Promise<boolean> };
  model.unique = (iss, jti, exp) => rememberOnce(database, JSON.stringify([iss, jti]), exp - epochSeconds(systemClock.now()));
}
