import { LANGUAGES } from '../../http/language.ts';
import { areAlike, isOwnName, type Looks, looksOf } from '../../http/similar-names.ts';
import { type Database, Prisma } from '../../platform/database.ts';
import { localizedMember } from './display-name.ts';

/**
 * Owns the names that no other client may come near: those of clients whose publisher an operator verified, and this server's own. A node keeps
 * the former in memory, and catches up with what the database told of changes (client_changed) when somebody is about to name a client.
 */

/** The members by which a client says what it is called. */
export const NAMES: readonly string[] = ['client_name', ...LANGUAGES.map((language) => localizedMember('client_name', language))];

// Operators verify clients by hand: more than this there will not be. The newest are kept.
const MAX_CLIENTS = 10_000;
// More changes than this are read like all.
const MAX_CHANGES = 500;

export type VerifiedNames = {
  /** Returns once what is known holds: to be awaited by who then asks. Costs a statement when a client has changed since. */
  catchUp(): Promise<void>;
  /** @param clientId whose name it is to be, if there is such a client: its own names are its to keep. @returns what it could be taken for; undefined when there is nothing. */
  takenBy(name: string, clientId?: string): { own: true } | { name: string } | undefined;
};

type Kept = { name: string; looks: Looks };
type Row = { id: string; publisher: string | null; metadata: Record<string, unknown> };

/** For whom an operator judges: nothing is like anything else. */
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
    // What changes from here on is for the next reading, as is all of this when it fails.
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
      // One after another: an older reading must not take the place of a newer one.
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
