import { LANGUAGES } from '../../http/language.ts';
import { areAlike, isOwnName, type Looks, looksOf } from '../../http/similar-names.ts';
import { type Database, Prisma } from '../../platform/database.ts';
import { localizedMember } from './display-name.ts';

/**
 * Owns the names that no other client may resemble: names of clients with a verified publisher, and this server's own. A node caches the
 * former. Before a client is named, the node reads the changes that the database announced (client_changed).
 */

/** The members that contain a client's name. */
export const NAMES: readonly string[] = ['client_name', ...LANGUAGES.map((language) => localizedMember('client_name', language))];

// Operators verify clients by hand, so there are fewer than this. If there are more, the newest count.
const MAX_CLIENTS = 10_000;
// Above this number of changes, all names are read again.
const MAX_CHANGES = 500;

export type VerifiedNames = {
  /** Resolves when the known names are current. Callers await it before takenBy(). Costs one statement when a client has changed since. */
  catchUp(): Promise<void>;
  /**
   * @param clientId the client that wants the name, if it exists: its own names are free for it.
   * @returns the name that it could be taken for; undefined when there is none.
   */
  takenBy(name: string, clientId?: string): { own: true } | { name: string } | undefined;
};

type Kept = { name: string; looks: Looks };
type Row = { id: string; publisher: string | null; metadata: Record<string, unknown> };

/** For an operator, who decides: no name is taken. */
export const NO_NAMES: VerifiedNames = { catchUp: async () => {}, takenBy: () => undefined };

export function createVerifiedNames(database: Database): VerifiedNames {
  const known = new Map<string, Kept[]>();
  let changed: Set<string> | 'all' = 'all';
  let turn: Promise<void> = Promise.resolve();
  const changes = database.listen(
    'client_changed',
    (clientId) => {
      if (changed !== 'all' && changed.add(clientId).size > MAX_CHANGES) changed = 'all';
    },
    () => {
      changed = 'all';
    },
  );

  async function read(): Promise<void> {
    const asked: Set<string> | 'all' = changes.heard() ? changed : 'all';
    if (asked !== 'all' && !asked.size) return;
    // Later changes are for the next reading, and so are all of these if this reading fails.
    changed = new Set();
    try {
      const rows = await database.query<Row>(asked === 'all' ? everyVerified() : these([...asked]));
      for (const id of asked === 'all' ? known.keys() : asked) known.delete(id);
      for (const { id, publisher, metadata } of rows) if (publisher !== null) known.set(id, namesIn(metadata));
    } catch (error) {
      changed = 'all';
      throw error;
    }
  }

  return {
    catchUp() {
      // Readings run one after another, so that an older one never overwrites a newer one.
      turn = turn.catch(() => {}).then(read);
      return turn;
    },
    takenBy(name, clientId) {
      if (isOwnName(name)) return { own: true };
      const looks = looksOf(name);
      for (const [id, names] of known) {
        const like = id === clientId ? undefined : names.find((kept) => areAlike(kept.looks, looks));
        if (like) return { name: like.name };
      }
      return undefined;
    },
  };
}

function namesIn(metadata: Record<string, unknown>): Kept[] {
  return NAMES.flatMap((member) => {
    const name = metadata[member];
    return typeof name === 'string' && name ? [{ name, looks: looksOf(name) }] : [];
  });
}

const everyVerified = () =>
  Prisma.sql`select id, publisher, metadata from client where publisher is not null order by verified_at desc, id limit ${MAX_CLIENTS}`;

const these = (ids: string[]) => Prisma.sql`select id, publisher, metadata from client where id = any(${ids})`;
