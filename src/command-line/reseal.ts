import { type Database, Prisma, type Statement } from '../platform/database.ts';
import type { SealedColumn } from '../platform/sealed-column.ts';
import type { KeyRing } from '../platform/secrets.ts';

/**
 * Owns the change of keys at rest. It decrypts what an older key of the ring encrypted, and encrypts it with the newest. The operator can
 * then remove the older key.
 */

const BATCH_ROWS = 500;

/**
 * Goes through a column once, in batches, while requests continue. A value that another writer changes meanwhile is skipped.
 * @returns how many values were encrypted again, were in use, and could not be decrypted by any key of the ring.
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
