import type { Database } from '../../platform/database.ts';
import { type ClientMetadata, findClient } from './store.ts';

/**
 * Owns the cache of clients: every request needs a client, and clients rarely change. A database trigger (prisma/migrations) announces
 * each change to every node, so that a rotated secret, a suspension or a deletion takes effect everywhere at once.
 */

const MAX_CLIENTS = 10_000;

// Limits the effect of a notification that was lost unnoticed.
const KEPT_MS = 60_000;
// How long this node uses cached clients while it receives no notifications.
const KEPT_UNHEARD_MS = 1_000;

export type ClientCache = {
  /** @returns the same object as long as the client is unchanged; undefined for an unknown or suspended client. */
  find(clientId: string): Promise<ClientMetadata | undefined>;
  forget(clientId: string): void;
};

/** `holdsForMs`: until the first of its secrets expires, because no notification announces that. */
type Entry = { metadata: Promise<ClientMetadata | undefined>; readAt: number; holdsForMs: number };

export function createClientCache(database: Database, now: () => number = Date.now): ClientCache {
  const known = new Map<string, Entry>();
  const changes = database.listen(
    'client_changed',
    (clientId) => known.delete(clientId),
    () => known.clear(),
  );

  function read(clientId: string): Entry {
    const found = findClient(database, clientId);
    const entry: Entry = { metadata: found.then((client) => client?.metadata), readAt: now(), holdsForMs: Number.POSITIVE_INFINITY };
    // Failures and unknown ids are not cached: strangers can invent any number of ids.
    const forget = () => known.get(clientId) === entry && known.delete(clientId);
    found.then((client) => {
      if (client) entry.holdsForMs = client.holdsForMs;
      else forget();
    }, forget);
    return entry;
  }

  return {
    async find(clientId) {
      const entry = known.get(clientId);
      const kept = changes.heard() ? KEPT_MS : KEPT_UNHEARD_MS;
      if (entry && now() - entry.readAt < Math.min(kept, entry.holdsForMs)) return entry.metadata;
      const fresh = read(clientId);
      known.delete(clientId);
      known.set(clientId, fresh);
      if (known.size > MAX_CLIENTS) known.delete(known.keys().next().value as string);
      return fresh.metadata;
    },
    forget(clientId) {
      known.delete(clientId);
    },
  };
}
