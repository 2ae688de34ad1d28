import { type AccessToken, type ClientCredentials, errors, type KoaContextWithOIDC, type Provider } from 'oidc-provider';
import { hasFactor } from '../../people/factors.ts';
import type { Database } from '../../platform/database.ts';
import { compute } from '../internals.ts';
import { recallHasFactor } from '../store/accounts.ts';

/**
 * Owns authentication strength: what `acr` and `amr` values mean (OIDC Core section 2, RFC 8176), and whether a session is strong enough.
 * A session that owes a factor gives access to nothing: neither to a client's request nor to a page of this server.
 */

/**
 * Authentication contexts, weakest first: password alone, two factors (REFEDS profiles), a passkey that verified its user (OpenID EAP ACR
 * values).
 */
export const ACR = { password: 'https://refeds.org/profile/sfa', twoFactors: 'https://refeds.org/profile/mfa', passkey: 'phr' };
export const ACR_VALUES = [ACR.password, ACR.twoFactors, ACR.passkey];

/** What a user has proved in a session. `enrolled`: the user set up a factor in it, see session-proofs.ts. */
export type Shown = {
  accountId?: string | undefined;
  amr?: string[] | undefined;
  acr?: string | undefined;
  enrolled?: boolean | undefined;
};

export const BY_PASSKEY = { amr: ['pop', 'user', 'mfa'], acr: ACR.passkey };

const SHOWN = { otp: { amr: ['otp', 'mfa'], acr: ACR.twoFactors }, passkey: BY_PASSKEY };

/** @returns `amr` and `acr` of a session after its user presented a factor in addition. */
export function strengthened(shown: Shown, by: keyof typeof SHOWN): { amr: string[]; acr: string } {
  const more = SHOWN[by];
  const acr = reached(shown);
  return { amr: [...new Set([...(shown.amr ?? []), ...more.amr])], acr: isAtLeast(acr, more.acr) ? acr : more.acr };
}

/**
 * Whether the session must prove more: the account has a factor that was not presented, or the request asks for a stronger context.
 * @param asked authentication contexts; the session must reach one of them. Unknown ones are voluntary and ignored (OIDC Core section
 * 5.5.1.1).
 */
export async function owesFactor(database: Database, shown: Shown, asked: string[] = []): Promise<boolean> {
  if (shown.accountId === undefined) return false;
  if (isWeaker(shown, asked)) return true;
  if (shown.amr?.includes('mfa') || shown.enrolled) return false;
  return (await recallHasFactor(shown.accountId)) ?? hasFactor(database, shown.accountId);
}

/** Whether the session reaches none of the known contexts that are asked for (RFC 9470 section 4). */
export function isWeaker(shown: Shown, asked: string[]): boolean {
  const known = asked.filter((value) => ACR_VALUES.includes(value));
  return known.length > 0 && !known.some((value) => isAtLeast(reached(shown), value));
}

/** Whether only a passkey reaches what is asked for. */
export function asksForPasskey(asked: string[]): boolean {
  return isWeaker({ acr: ACR.twoFactors }, asked);
}

/**
 * @returns contexts that a stored request asks for, most preferred first: an essential claim, then `acr_values` (OIDC Core section
 * 5.5.1.1).
 */
export function askedOf({ acr_values, claims }: Record<string, unknown>): string[] {
  const wished = typeof acr_values === 'string' ? acr_values.split(' ').filter(Boolean) : [];
  return typeof claims === 'string' ? [...essentialContexts(JSON.parse(claims)), ...wished] : wished;
}

type ClaimsRequest = { id_token?: { acr?: { essential?: unknown; value?: unknown; values?: unknown } | null } };

function essentialContexts({ id_token }: ClaimsRequest): string[] {
  const { essential, value, values } = id_token?.acr ?? {};
  return essential === true ? [value ?? [], values ?? []].flat().filter((context): context is string => typeof context === 'string') : [];
}

/** Refuses an essential `acr` that this server cannot reach before it shows any page, because the user could not satisfy it. */
export async function assertReachable(_ctx: KoaContextWithOIDC, claims: ClaimsRequest): Promise<void> {
  const essential = essentialContexts(claims);
  if (essential.length && !essential.some((value) => ACR_VALUES.includes(value)))
    throw new errors.UnmetAuthenticationRequirements(`claims.id_token.acr is essential, and can only be one of ${ACR_VALUES.join(', ')}`);
}

/**
 * Answers with the context that the client asked for when the session reached a stronger one. Clients compare the value and do not know our
 * order
 * (OIDC Core section 3.1.2.1, acr_values in order of preference).
 */
export function answerRequestedContext(provider: Provider): void {
  compute(provider, 'OIDCContext.acr', function () {
    if (!this.session?.accountId) return undefined;
    const acr = reached(this.session);
    return askedOf(this.params ?? {}).find((value) => isAtLeast(acr, value)) ?? acr;
  });
}

/** Tells an API, in a JWT or by introspection, how and when the user of a token signed in (RFC 9470 section 6). */
export async function strengthClaims(
  { oidc }: KoaContextWithOIDC,
  token: AccessToken | ClientCredentials,
): Promise<{ acr: string; auth_time?: number } | undefined> {
  const { AuthorizationCode, RefreshToken, DeviceCode } = oidc.entities;
  const source = AuthorizationCode ?? RefreshToken ?? DeviceCode;
  if (!('accountId' in token) || !source?.acr) return undefined;
  return { acr: source.acr, ...(source.authTime === undefined ? undefined : { auth_time: source.authTime }) };
}

/** The context that a session has reached. A session without `acr` was signed in by one factor. */
const reached = ({ acr }: Shown): string => acr ?? ACR.password;

function isAtLeast(acr: string, wanted: string): boolean {
  return ACR_VALUES.includes(wanted) && ACR_VALUES.indexOf(acr) >= ACR_VALUES.indexOf(wanted);
}
