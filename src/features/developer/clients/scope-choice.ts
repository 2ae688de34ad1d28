import type { Language } from '../../../http/language.ts';
import { adminApi, isSample, type ResourceServer } from '../../../oauth/scopes/resource-servers.ts';
import { nameIn } from '../../../oauth/scopes/scope-words.ts';
import { IDENTITY_SCOPES } from '../../../people/claims.ts';

/** Owns which scopes an owner can choose for a client, and their order on the page: grouped by API. */

export type ScopeGroup = {
  /** The API's name; null for this server's own. */
  api: string | null;
  identifier: string;
  scopes: { name: string; title: string; sensitive: boolean; chosen: boolean }[];
};

/**
 * The most scopes shown of other owners' APIs: an owner with thousands of scopes must not fill every page. A manifest can name the rest.
 */
const MOST_OF_OTHERS = 60;

type Choice = {
  /** The owner who views the page. */
  accountId: string;
  services: string[];
  /** Whether the samples of this server are offered: in development only. */
  samples: boolean;
  /** The checked scopes; undefined for all. */
  chosen: string[] | undefined;
  language: Language;
};

/**
 * @returns the scopes to choose from, without those of the admin API, which only an operator gives. Services at upstream providers appear
 * if an operator allowed them for this client. This server's own scopes come first, then those of the owner's APIs.
 */
export function scopeGroups(
  servers: readonly ResourceServer[],
  issuer: string,
  { accountId, services, samples, chosen, language }: Choice,
): ScopeGroup[] {
  const near = servers.filter(({ identifier }) => identifier !== adminApi(issuer)).filter((server) => isNear(server, issuer, accountId));
  const others = servers.filter((server) => !isNear(server, issuer, accountId));
  return [...near, ...boundedBy(others, near, chosen)]
    .sort((left, right) => Number(right.identifier === issuer) - Number(left.identifier === issuer))
    .map((server) => ({ ...server, name: nameIn(server, language) }))
    .map(({ identifier, name, scopes }) => ({
      api: identifier === issuer ? null : name,
      identifier,
      scopes: scopes
        .filter(({ provider }) => !provider || services.includes(provider.id))
        .filter(({ name: scope }) => samples || chosen?.includes(scope) || !isSample(issuer, identifier, scope))
        .map(({ name: scope, title, sensitive }) => ({
          name: scope,
          title: title[language],
          sensitive,
          chosen: chosen?.includes(scope) ?? true,
        })),
    }))
    .filter(({ scopes }) => scopes.length > 0);
}

/** @returns whether an API is this server's own, or the owner's. */
export function isNear(
  { identifier, ownerId }: Pick<ResourceServer, 'identifier' | 'ownerId'>,
  issuer: string,
  accountId: string,
): boolean {
  return ownerId === accountId || URL.parse(identifier)?.origin === new URL(issuer).origin;
}

/** @returns the APIs with a checked scope that no other API has, and more while there is room. */
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

/** @returns the scopes that a client may have in a token of its own. Identity scopes and offline access need a user. */
export const ownScopes = (registered: string[] = []): string[] =>
  registered.filter((scope) => scope !== 'offline_access' && !IDENTITY_SCOPES.includes(scope));

/** @returns the client's registered scopes; undefined for a client without any, which may request every scope. */
export function registeredScopes(metadata: Record<string, unknown>): string[] | undefined {
  const { scope } = metadata;
  return typeof scope === 'string' ? scope.split(' ').filter(Boolean) : undefined;
}
