import { type Database, Prisma, type Statement } from './database.ts';
import type { KeyRing } from './secrets.ts';

/** Owns the change of keys at rest: what an older key of the ring sealed is sealed anew with the newest, so that the older can go. */

/** A column of sealed values that live for long. What expires within hours is left to. */
export type SealedColumn = {
  table: string;
  id: string;
  column: string;
  /** What a row's value is sealed for. */
  context(id: string): string;
  /** Rows that may be changed now; all unless given. */
  idle?: Statement;
};

const BATCH_ROWS = 500;

/**
 * Goes through a column once, in batches, while requests go on: a value that another writes meanwhile is left.
 * @returns how many were sealed anew, how many somebody was busy with, and how many no key of the ring opens.
 */
export async function reseal(
  database: Database,
  keyRing: KeyRing,
  { idle = Prisma.sql`true`, context, ...names }: SealedColumn,
): Promise<{ resealed: number; busy: number; unreadable: number }> {
  const [table, id, column] = [names.table, names.id, names.column].map((name) => Prisma.raw(name)) as [Statement, Statement, Statement];
  const done = { resealed: 0, busy: 0, unreadable: 0 };
  let after = '';
  for (;;) {
    const rows = await database.aside<{ id: string; sealed: string }>(Prisma.sql`
      select ${id} as id, ${column} as sealed from ${table}
      where ${id} > ${after} and ${column} not like ${`${keyRing.newest}%`} order by ${id} limit ${BATCH_ROWS}`);
    for (const row of rows) {
      const fresh = resealed(keyRing, row.sealed, context(row.id));
      if (fresh === undefined) done.unreadable += 1;
      else {
        const changed = await database.aside(Prisma.sql`
          update ${table} set ${column} = ${fresh} where ${id} = ${row.id} and ${column} = ${row.sealed} and ${idle} returning 1`);
        done[changed.length ? 'resealed' : 'busy'] += 1;
      }
    }
    const last = rows.at(-1);
    if (!last) return done;
    after = last.id;
  }
}

function resealed(keyRing: KeyRing, sealed: string, context: string): string | undefined {
  try {
    return keyRing.encrypt(keyRing.decrypt(sealed, context), context);
  } catch {
    return undefined;
  }
}
