import type { ResourceServer } from './resource-servers.ts';

/**
 * Owns what a node knows of all APIs: each by its identifier, and by the scopes that it offers. One API changes alone: whoever reads the catalog at the
 * next request finds it changed, and nothing else is touched, however many APIs there are.
 */
export type ApiCatalog = {
  /** All APIs by their identifiers, in order. The same array for good: it changes in place. */
  readonly servers: readonly ResourceServer[];
  /** Every scope of any API. A set for good too, unless it is given to somebody: see shareScopes(). */
  readonly scopes: ReadonlySet<string>;
  find(identifier: string): ResourceServer | undefined;
  /** The APIs that offer a scope. */
  offering(scope: string): readonly ResourceServer[];
  put(server: ResourceServer): void;
  remove(identifier: string): void;
  /** Has a set of somebody else's follow the scopes from now on, in the place of the one before. It has the same members. */
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
