import type { Grant } from 'oidc-provider';
import type { Answer } from '../../protocol-store/decisions.ts';

/** Owns the meaning of an answer for a grant as the library holds it. How it is stored is protocol-store/decisions.ts's. */

/** What a person decided on the consent page, as it travels in the interaction's result. `accountId`: whose word it is. */
export type Decision = {
  accountId: string;
  answers: Answer[];
  /** It is in the grant: another step came between it and the code. */
  kept?: true;
};

/**
 * By what the consent page's form speaks of a scope: its name where it is this server's own, whose names are no two alike, and the API along with
 * it elsewhere. Others may call theirs what they like: whoever allows the one has not allowed the other, so that nobody makes an API whose
 * harmless sentence stands for another's scope. Neither a scope nor an identifier has a space in it.
 */
export function tickOf({ resource, name }: { resource?: string | undefined; name: string }, issuer: string): string {
  const ours = resource === undefined || URL.parse(resource)?.origin === new URL(issuer).origin;
  return ours ? name : `${resource} ${name}`;
}

export function grantedScopes(grant: Grant | undefined, resource: string | undefined): string[] {
  return words(resource === undefined ? grant?.getOIDCScope() : grant?.getResourceScope(resource));
}

export function declinedScopes(grant: Grant | undefined, resource: string | undefined): string[] {
  return words(resource === undefined ? grant?.getRejectedOIDCScope() : grant?.getRejectedResourceScope(resource));
}

/**
 * The library counts every scope that it knows as the server's own too: there those of other resources are declined, or it would ask for them
 * again and again.
 */
export function asLibraryCounts(answers: Answer[]): Answer[] {
  const own = answers.find(({ resource }) => resource === undefined) ?? { allowed: [], declined: [] };
  const others = answers.filter(({ resource }) => resource !== undefined);
  const elsewhere = others.flatMap(({ allowed, declined }) => [...allowed, ...declined]).filter((name) => !own.allowed.includes(name));
  return [{ allowed: own.allowed, declined: [...new Set([...own.declined, ...elsewhere])] }, ...others];
}

/**
 * Answers, put into a grant: the newest word counts. An allowed scope is no longer declined, a declined one no longer allowed; what was not asked stays.
 * @returns the names of scopes that were allowed before and are not any more.
 */
export function settle(grant: Grant, answers: Answer[]): string[] {
  const withdrawn = answers.flatMap(({ resource, declined }) => grantedScopes(grant, resource).filter((name) => declined.includes(name)));
  for (const { resource, allowed, declined } of answers) {
    const granted = joined([...grantedScopes(grant, resource), ...allowed], declined);
    const rejected = joined([...declinedScopes(grant, resource), ...declined], allowed);
    grant.rejected ??= {};
    if (resource === undefined) {
      grant.openid = { ...grant.openid, scope: granted };
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
