import type { ResourceServer } from '../clients/resource-servers.ts';
import { adminApi } from '../clients/resource-servers.ts';
import type { Language } from '../http/language.ts';

/** Owns which scopes a person can choose for their app, and how they stand on the page: grouped by the API that they open. */

export type ScopeGroup = {
  /** Which API; null for this server's own. */
  api: string | null;
  scopes: { name: string; title: string; required: boolean; sensitive: boolean; chosen: boolean }[];
};

/**
 * Those that are there to choose: not the admin API's, which an operator gives, and of what is done at upstream providers what an operator
 * allowed this client.
 * @param chosen which are ticked.
 */
export function scopeGroups(
  servers: ResourceServer[],
  issuer: string,
  { services, chosen, language }: { services: string[]; chosen: (scope: string) => boolean; language: Language },
): ScopeGroup[] {
  return [...servers]
    .filter(({ identifier }) => identifier !== adminApi(issuer))
    .sort((left, right) => Number(right.identifier === issuer) - Number(left.identifier === issuer))
    .map(({ identifier, name, scopes }) => ({
      api: identifier === issuer ? null : name,
      scopes: scopes
        .filter(({ provider }) => !provider || services.includes(provider.id))
        .map(({ name: scope, title, required, sensitive }) => ({
          name: scope,
          title: title[language],
          required,
          sensitive,
          chosen: chosen(scope),
        })),
    }))
    .filter(({ scopes }) => scopes.length > 0);
}

export const namesIn = (groups: ScopeGroup[]): string[] => [...new Set(groups.flatMap(({ scopes }) => scopes.map(({ name }) => name)))];

/** What a client has registered for; undefined for one that did not say, and may ask for every scope. */
export function registeredScopes(metadata: Record<string, unknown>): string[] | undefined {
  const { scope } = metadata;
  return typeof scope === 'string' ? scope.split(' ').filter(Boolean) : undefined;
}
