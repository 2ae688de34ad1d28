import { listResourceServers, type ResourceServer } from '../clients/resource-servers.ts';
import { listProviders, scopeOf } from '../federation/providers.ts';
import type { Database } from '../platform/database.ts';
import type { Log } from '../platform/log.ts';

/**
 * Owns what a node knows of resource servers and their scopes. What apps can do for a person at an upstream provider is a scope of the
 * server's own API: the API is asked for the person's token there (token-exchange.ts).
 */

/** @param issuer the identifier of the server's own API. @returns all resource servers, the services of upstream providers among the scopes of our own. */
export async function readResourceServers(database: Database, issuer: string): Promise<ResourceServer[]> {
  const [servers, providers] = await Promise.all([listResourceServers(database), listProviders(database)]);
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
 * Reads again whenever a provider or a resource server changes, and once a node hears again.
 * @param use called before this returns, and when there is something else. @throws when the database does not answer; later that is logged.
 */
export async function watchScopes(
  { database, issuer, log }: { database: Database; issuer: string; log: Log },
  use: (servers: ResourceServer[]) => void,
): Promise<void> {
  let known = '';
  const read = async () => {
    const servers = await readResourceServers(database, issuer);
    const wanted = JSON.stringify(servers);
    if (wanted !== known) use(servers);
    known = wanted;
  };
  await read();
  // One after another: an older reading must not take the place of a newer one.
  let turn = Promise.resolve();
  const again = () => {
    turn = turn.then(read).catch((error) => log.error({ event: 'scopes_not_read', reason: (error as Error).message }));
  };
  database.listen('upstream_provider_changed', again, again);
  database.listen('resource_server_changed', again, again);
}
