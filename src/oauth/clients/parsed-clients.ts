import type { Client, Provider } from 'oidc-provider';
import type { ClientCache } from './cache.ts';
import type { ClientMetadata } from './store.ts';

/**
 * Caches the library's parsed client while its metadata is the same object. The library itself hashes the metadata at each request to
 * detect
 * a change, and caches only a hundred clients.
 */
export function keepParsedClients(provider: Provider, clients: ClientCache): void {
  const parsed = new WeakMap<ClientMetadata, Promise<Client | undefined>>();
  const parse = provider.Client.find.bind(provider.Client);
  provider.Client.find = async (clientId: string) => {
    const metadata = typeof clientId === 'string' && clientId ? await clients.find(clientId) : undefined;
    if (!metadata) return undefined;
    let client = parsed.get(metadata);
    if (!client) {
      client = parse(clientId);
      parsed.set(metadata, client);
      // Metadata that cannot be parsed is parsed again each time, because the error is the answer.
      client.catch(() => parsed.delete(metadata));
    }
    return client;
  };
}
