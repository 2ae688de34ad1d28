import { listProviders, scopeOf } from '../../features/federation/providers.ts';
import type { Database } from '../../platform/database.ts';
import type { Log } from '../../platform/log.ts';
import { type ApiCatalog, createApiCatalog } from './api-catalog.ts';
import { listResourceServers, type ResourceServer } from './resource-servers.ts';

/**
 * Owns what a node knows of resource servers and their scopes. What apps can do for a person at an upstream provider is a scope of the
 * server's own API: the API is asked for the person's token there (token-exchange.ts).
 */

type Reading = { database: Database; issuer: string };

/** @param issuer the identifier of the server's own API. @returns all resource servers, the services of upstream providers among the scopes of our own. */
export async function readResourceServers({ database, issuer }: Reading, identifier?: string): Promise<ResourceServer[]> {
  const [servers, providers] = await Promise.all([
    listResourceServers(database, identifier),
    identifier === undefined || identifier === issuer ? listProviders(database) : [],
  ]);
  const services = providers.flatMap((provider) =>
    provider.services.map((service) => ({
      name: scopeOf(provider, service),
      mayBeRequired: true,
      isDefault: false,
      sensitive: service.sensitive,
      title: service.title,
      provider: { id: provider.id, name: provider.name },
    })),
  );
  return servers.map((server) => (server.identifier === issuer ? { ...server, scopes: [...server.scopes, ...services] } : server));
}

/**
 * A catalog that follows the database: an API that changes is read again, and nothing else; all of them once a node hears again.
 * @throws when the database does not answer; later that is logged.
 */
export async function watchScopes({ database, issuer, log }: Reading & { log: Log }): Promise<ApiCatalog> {
  const catalog = createApiCatalog(await readResourceServers({ database, issuer }));
  const readOne = async (identifier: string) => {
    const [server] = await readResourceServers({ database, issuer }, identifier);
    if (server) catalog.put(server);
    else catalog.remove(identifier);
  };
  const readAll = async () => {
    const servers = await readResourceServers({ database, issuer });
    const known = new Set(servers.map(({ identifier }) => identifier));
    for (const { identifier } of [...catalog.servers]) if (!known.has(identifier)) catalog.remove(identifier);
    for (const server of servers) catalog.put(server);
  };
  // One after another: an older reading must not take the place of a newer one. What waits for its turn is read once.
  let turn = Promise.resolve();
  const waiting = new Set<string>();
  const again = (name: string, read: () => Promise<void>) => {
    if (waiting.has(name)) return;
    waiting.add(name);
    turn = turn
      .then(() => {
        waiting.delete(name);
        return read();
      })
      .catch((error) => log.error({ event: 'scopes_not_read', reason: (error as Error).message }));
  };
  const all = () => again('', readAll);
  database.listen('upstream_provider_changed', () => again(issuer, () => readOne(issuer)), all);
  database.listen('resource_server_changed', (identifier) => (identifier ? again(identifier, () => readOne(identifier)) : all()), all);
  return catalog;
}
