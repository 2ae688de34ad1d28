import type { Client, Provider } from 'oidc-provider';
import type { ClientCache } from './cache.ts';
import type { ClientMetadata } from './store.ts';

/**
 * Keeps clients as the library has parsed them for as long as their metadata is the same object. The library itself digests
 * the metadata at each request to know whether it changed, and keeps a hundred.
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
      // What cannot be parsed is tried anew each time: its error is the answer.
      client.catch(() => parsed.delete(metadata));
    }
    return client;
  };
}
