import { epochSeconds } from '../platform/clock.ts';
import type { Account } from './store.ts';

/** Which claims each scope allows (OIDC Core section 5.4). Discovery, userinfo and introspection use this table. */
export const CLAIMS_OF_SCOPE: Record<string, string[]> = {
  openid: ['sub'],
  profile: ['name', 'preferred_username', 'locale', 'updated_at'],
  email: ['email', 'email_verified'],
};

/** The scopes that identify the user. The consent page asks for them as one. */
export const IDENTITY_SCOPES = Object.keys(CLAIMS_OF_SCOPE);

/** Claims that a request may name one by one (OIDC Core section 5.5). The others describe the sign-in and are always included. */
export const CLAIMS_TO_ASK = Object.values(CLAIMS_OF_SCOPE)
  .flat()
  .filter((claim) => claim !== 'sub');

/** The user's data as claims. */
export function claimsOf(account: Account): Record<string, unknown> {
  return {
    sub: account.id,
    name: account.name,
    preferred_username: account.username,
    ...(account.locale ? { locale: account.locale } : undefined),
    updated_at: epochSeconds(account.updatedAt),
    email: account.email,
    email_verified: account.emailVerified,
  };
}

/** The claims that a token's scopes allow. */
export function claimsForScopes(account: Account, scopes: Iterable<string>): Record<string, unknown> {
  const allowed = new Set([...scopes].flatMap((scope) => CLAIMS_OF_SCOPE[scope] ?? []));
  return Object.fromEntries(Object.entries(claimsOf(account)).filter(([claim]) => allowed.has(claim)));
}
