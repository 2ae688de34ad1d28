import type { Grant } from 'oidc-provider';
import type { ScopeAnswer } from '../store/decisions.ts';

/** Owns the meaning of a decision for a grant as the library holds it. oauth/store/decisions.ts owns its storage. */

/** What a user decided on the consent page, as the interaction's result carries it. `accountId` names the user who decided. */
export type Decision = {
  accountId: string;
  answers: ScopeAnswer[];
  /** The decision is already in the grant, because another step came between it and the code. */
  kept?: true;
};

export function grantedScopes(grant: Grant | undefined, resource: string | undefined): string[] {
  return words(resource === undefined ? grant?.getOIDCScope() : grant?.getResourceScope(resource));
}

export function declinedScopes(grant: Grant | undefined, resource: string | undefined): string[] {
  return words(resource === undefined ? grant?.getRejectedOIDCScope() : grant?.getRejectedResourceScope(resource));
}

/**
 * Applies answers to a grant; the newest answer counts. An allowed scope is no longer declined, and a declined scope is no longer allowed.
 * Scopes that were not asked do not change.
 * @returns names of scopes that were allowed before and are now declined.
 */
export function settle(grant: Grant, answers: ScopeAnswer[]): string[] {
  const withdrawn = answers.flatMap(({ resource, declined }) => grantedScopes(grant, resource).filter((name) => declined.includes(name)));
  for (const { resource, allowed, declined, claims = [] } of answers) {
    const granted = joined([...grantedScopes(grant, resource), ...allowed], declined);
    const rejected = joined([...declinedScopes(grant, resource), ...declined], allowed);
    grant.rejected ??= {};
    if (resource === undefined) {
      const allClaims = [...new Set([...(grant.openid?.claims ?? []), ...claims])];
      grant.openid = { ...grant.openid, scope: granted, ...(allClaims.length ? { claims: allClaims } : undefined) };
      grant.rejected.openid = { ...grant.rejected.openid, scope: rejected };
    } else {
      grant.resources = { ...grant.resources, [resource]: granted };
      grant.rejected.resources = { ...grant.rejected.resources, [resource]: rejected };
    }
  }
  return withdrawn;
}

const words = (scopes: unknown) =>
  String(scopes ?? '')
    .split(' ')
    .filter(Boolean);

const joined = (scopes: string[], without: string[]) => [...new Set(scopes)].filter((scope) => !without.includes(scope)).join(' ');
