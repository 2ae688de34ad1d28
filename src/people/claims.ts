import { epochSeconds } from '../platform/clock.ts';
import type { Account } from './store.ts';

/** Which claims each scope opens (OIDC Core section 5.4). Discovery, userinfo and introspection all read this. */
export const CLAIMS_OF_SCOPE: Record<string, string[]> = {
  openid: ['sub'],
  profile: ['name', 'preferred_username', 'locale', 'updated_at'],
  email: ['email', 'email_verified'],
};

/** The scopes that say who somebody is. People decide about them as one. */
export const IDENTITY_SCOPES = Object.keys(CLAIMS_OF_SCOPE);

/** Claims that a request may name one by one (OIDC Core section 5.5). The others are about the sign-in and are told anyway. */
export const CLAIMS_TO_ASK = Object.values(CLAIMS_OF_SCOPE)
  .flat()
  .filter((claim) => claim !== 'sub');

/** What is known about a person, in the standard's terms. */
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

/** The claims that a token's scopes allow to be told. */
export function claimsForScopes(account: Account, scopes: Iterable<string>): Record<string, unknown> {
  const allowed = new Set([...scopes].flatMap((scope) => CLAIMS_OF_SCOPE[scope] ?? []));
  return Object.fromEntries(Object.entries(claimsOf(account)).filter(([claim]) => allowed.has(claim)));
}
