import type { Database } from '../../platform/database.ts';
import { type ClientMetadata, findClient } from './store.ts';

/**
 * Owns the memory of clients: every request is a client's, and clients rarely change. The database tells every node which client
 * changed (a trigger, prisma/migrations), so that a rotated secret, a suspension or a deletion holds everywhere at once.
 */

const MAX_CLIENTS = 10_000;

// In case a change was told and not heard, and nobody knows that it was not.
const KEPT_MS = 60_000;
// While this node cannot hear of changes, it believes what it knows for so long.
const KEPT_UNHEARD_MS = 1_000;

export type ClientCache = {
  /** @returns the same object as long as the client is unchanged; undefined for one that is unknown or suspended. */
  find(clientId: string): Promise<ClientMetadata | undefined>;
  forget(clientId: string): void;
};

/** `holdsForMs`: until the first of its secrets expires, which nobody announces. */
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
    // Neither a failure nor an unknown id is worth remembering: strangers can think of any number of ids.
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
