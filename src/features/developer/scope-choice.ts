import type { Language } from '../../http/language.ts';
import type { ResourceServer } from '../../oauth/scopes/resource-servers.ts';
import { adminApi } from '../../oauth/scopes/resource-servers.ts';
import { IDENTITY_SCOPES } from '../../people/claims.ts';

/** Owns which scopes a person can choose for their app, and how they stand on the page: grouped by the API that they open. */

export type ScopeGroup = {
  /** Which API; null for this server's own. */
  api: string | null;
  scopes: { name: string; title: string; sensitive: boolean; chosen: boolean }[];
};

/** So many are shown of APIs that others look after: whoever registers thousands must not fill everybody's page. A manifest may name the rest. */
const MOST_OF_OTHERS = 60;

type Choice = {
  /** Whose page it is. */
  accountId: string;
  services: string[];
  /** Those that are ticked; undefined for all. */
  chosen: string[] | undefined;
  language: Language;
};

/**
 * Those that are there to choose: not the admin API's, which an operator gives, and of what is done at upstream providers what an operator
 * allowed this client. This server's own come first, then the person's.
 */
export function scopeGroups(
  servers: readonly ResourceServer[],
  issuer: string,
  { accountId, services, chosen, language }: Choice,
): ScopeGroup[] {
  const near = servers.filter(({ identifier }) => identifier !== adminApi(issuer)).filter((server) => isNear(server, issuer, accountId));
  const others = servers.filter((server) => !isNear(server, issuer, accountId));
  return [...near, ...boundedBy(others, near, chosen)]
    .sort((left, right) => Number(right.identifier === issuer) - Number(left.identifier === issuer))
    .map(({ identifier, name, scopes }) => ({
      api: identifier === issuer ? null : name,
      scopes: scopes
        .filter(({ provider }) => !provider || services.includes(provider.id))
        .map(({ name: scope, title, sensitive }) => ({
          name: scope,
          title: title[language],
          sensitive,
          chosen: chosen?.includes(scope) ?? true,
        })),
    }))
    .filter(({ scopes }) => scopes.length > 0);
}

/** Whether an API is this server's own, or one that the person looks after. */
export function isNear(
  { identifier, ownerId }: Pick<ResourceServer, 'identifier' | 'ownerId'>,
  issuer: string,
  accountId: string,
): boolean {
  return ownerId === accountId || URL.parse(identifier)?.origin === new URL(issuer).origin;
}

/** Those of which something is ticked that no other has, and as many more as there is room for. */
function boundedBy(others: ResourceServer[], near: ResourceServer[], chosen: string[] = []): ResourceServer[] {
  const known = new Set(near.flatMap(({ scopes }) => scopes.map(({ name }) => name)));
  let room = MOST_OF_OTHERS;
  return others.filter(({ scopes }) => {
    const wanted = scopes.some(({ name }) => chosen.includes(name) && !known.has(name));
    if (!wanted && scopes.length > room) return false;
    for (const { name } of scopes) known.add(name);
    room -= scopes.length;
    return true;
  });
}

export const namesIn = (groups: ScopeGroup[]): string[] => [...new Set(groups.flatMap(({ scopes }) => scopes.map(({ name }) => name)))];

/** The scopes that an app may have in a token of its own: no person is in it who could be identified, or be away. */
export const ownScopes = (registered: string[] = []): string[] =>
  registered.filter((scope) => scope !== 'offline_access' && !IDENTITY_SCOPES.includes(scope));

/** What a client has registered for; undefined for one that did not say, and may ask for every scope. */
export function registeredScopes(metadata: Record<string, unknown>): string[] | undefined {
  const { scope } = metadata;
  return typeof scope === 'string' ? scope.split(' ').filter(Boolean) : undefined;
}
