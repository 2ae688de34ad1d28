import type { Database } from '../../platform/database.ts';
import type { Log } from '../../platform/log.ts';
import type { ProtocolFeature } from '../feature.ts';
import { type ApiCatalog, createApiCatalog } from './api-catalog.ts';
import { listResourceServers, type ResourceServer } from './resource-servers.ts';

/** Owns how a node reads resource servers and their scopes. A feature may add scopes to the server's own API. */

type Reading = { database: Database; issuer: string; features: readonly Pick<ProtocolFeature, 'ownScopes'>[] };

/**
 * @param issuer the identifier of the server's own API. @returns resource servers; the server's own API includes the scopes of features.
 */
export async function readResourceServers({ database, issuer, features }: Reading, identifier?: string): Promise<ResourceServer[]> {
  const [servers, ...own] = await Promise.all([
    listResourceServers(database, identifier),
    ...features.map(({ ownScopes }) => (ownScopes && (identifier === undefined || identifier === issuer) ? ownScopes.read(database) : [])),
  ]);
  return servers.map((server) => (server.identifier === issuer ? { ...server, scopes: [...server.scopes, ...own.flat()] } : server));
}

/**
 * A catalog that follows the database. A change notification reads one API again; a reconnect reads all of them.
 * @throws when the database does not answer at the start; a later failure is logged.
 */
export async function watchScopes({ log, ...reading }: Reading & { log: Log }): Promise<ApiCatalog> {
  const { database, issuer, features } = reading;
  const catalog = createApiCatalog(await readResourceServers(reading));
  const readOne = async (identifier: string) => {
    const [server] = await readResourceServers(reading, identifier);
    if (server) catalog.put(server);
    else catalog.remove(identifier);
  };
  const readAll = async () => {
    const servers = await readResourceServers(reading);
    const known = new Set(servers.map(({ identifier }) => identifier));
    for (const { identifier } of [...catalog.servers]) if (!known.has(identifier)) catalog.remove(identifier);
    for (const server of servers) catalog.put(server);
  };
  // Readings run one after another, so that an older one never overwrites a newer one. A waiting reading runs once.
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
  for (const { ownScopes } of features) if (ownScopes) database.listen(ownScopes.changed, () => again(issuer, () => readOne(issuer)), all);
  database.listen('resource_server_changed', (identifier) => (identifier ? again(identifier, () => readOne(identifier)) : all()), all);
  return catalog;
}
