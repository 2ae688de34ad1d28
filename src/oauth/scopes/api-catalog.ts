import type { ResourceServer } from './resource-servers.ts';

/**
 * Owns a node's view of all APIs, by identifier and by scope. Each API changes alone and in place.
 * The next reader sees the change, and the cost does not grow with the number of APIs.
 */
export type ApiCatalog = {
  /** All APIs sorted by identifier. The array stays the same and changes in place. */
  readonly servers: readonly ResourceServer[];
  /** Every scope of any API. The set stays the same until shareScopes() replaces it. */
  readonly scopes: ReadonlySet<string>;
  find(identifier: string): ResourceServer | undefined;
  /** The APIs that offer a scope. */
  offering(scope: string): readonly ResourceServer[];
  put(server: ResourceServer): void;
  remove(identifier: string): void;
  /** From now on the catalog updates the given set instead of the previous one. The caller passes a set with the same members. */
  shareScopes(scopes: Set<string>): void;
};

export function createApiCatalog(all: readonly ResourceServer[] = []): ApiCatalog {
  const servers: ResourceServer[] = [];
  const byIdentifier = new Map<string, ResourceServer>();
  const byScope = new Map<string, ResourceServer[]>();
  let scopes = new Set<string>();

  const placeOf = (identifier: string): number => {
    let [low, high] = [0, servers.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((servers[middle] as ResourceServer).identifier < identifier) low = middle + 1;
      else high = middle;
    }
    return low;
  };

  const catalog: ApiCatalog = {
    servers,
    get scopes() {
      return scopes;
    },
    find: (identifier) => byIdentifier.get(identifier),
    offering: (scope) => byScope.get(scope) ?? [],
    put(server) {
      catalog.remove(server.identifier);
      servers.splice(placeOf(server.identifier), 0, server);
      byIdentifier.set(server.identifier, server);
      for (const { name } of server.scopes) {
        byScope.set(name, [...(byScope.get(name) ?? []), server]);
        scopes.add(name);
      }
    },
    remove(identifier) {
      const known = byIdentifier.get(identifier);
      if (!known) return;
      servers.splice(placeOf(identifier), 1);
      byIdentifier.delete(identifier);
      for (const { name } of known.scopes) {
        const others = catalog.offering(name).filter((server) => server !== known);
        if (others.length) byScope.set(name, others);
        else {
          byScope.delete(name);
          scopes.delete(name);
        }
      }
    },
    shareScopes(shared) {
      scopes = shared;
    },
  };
  for (const server of all) catalog.put(server);
  return catalog;
}
