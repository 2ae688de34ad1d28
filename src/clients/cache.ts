import type { Database } from '../platform/database.ts';
import { type ClientMetadata, findClient } from './store.ts';

/**
 * Owns the memory of clients: every request is a client's, and clients rarely change. The database tells every node which client
 * changed (a trigger, prisma/migrations), so that a rotated secret or a deleted client holds everywhere at once.
 */

const MAX_CLIENTS = 10_000;

// A secret may expire meanwhile, which nobody announces.
const KEPT_MS = 60_000;
// While this node cannot hear of changes, it believes what it knows for so long.
const KEPT_UNHEARD_MS = 1_000;

export type ClientCache = {
  /** @returns the same object as long as the client is unchanged; undefined for an unknown client. */
  find(clientId: string): Promise<ClientMetadata | undefined>;
  forget(clientId: string): void;
};

export function createClientCache(database: Database, now: () => number = Date.now): ClientCache {
  const known = new Map<string, { metadata: Promise<ClientMetadata | undefined>; readAt: number }>();
  const changes = database.listen(
    'client_changed',
    (clientId) => known.delete(clientId),
    () => known.clear(),
  );

  return {
    async find(clientId) {
      const entry = known.get(clientId);
      const kept = changes.heard() ? KEPT_MS : KEPT_UNHEARD_MS;
      if (entry && now() - entry.readAt < kept) return entry.metadata;
      const metadata = findClient(database, clientId);
      known.delete(clientId);
      known.set(clientId, { metadata, readAt: now() });
      // Neither a failure nor an unknown id is worth remembering: strangers can think of any number of ids.
      metadata.then(
        (found) => found || known.delete(clientId),
        () => known.delete(clientId),
      );
      if (known.size > MAX_CLIENTS) known.delete(known.keys().next().value as string);
      return metadata;
    },
    forget(clientId) {
      known.delete(clientId);
    },
  };
}
