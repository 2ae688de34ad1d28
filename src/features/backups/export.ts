import { createHash } from 'node:crypto';
import { Prisma } from '../../platform/database.ts';
import { DURABLE, FORMAT, type Header, lineOf, type Trailer } from './durable.ts';
import { inLongTransaction, type LongTransaction } from './long-transaction.ts';

/** Owns the writing of an export: the tables of durable.ts, at one moment, line by line. */

const ROWS_AT_ONCE = 500;

/**
 * @param write receives the text of some lines.
 * @param step called for each row.
 * @param signal stops it between two batches, with an error.
 * @returns the last line.
 */
export function exportData(
  { url, issuer }: { url: string; issuer: string },
  { write, step, signal }: { write(text: string): void; step(): void; signal: AbortSignal },
): Promise<Trailer> {
  return inLongTransaction(url, 'read', async (transaction) => {
    const hash = createHash('sha256');
    const put = (text: string) => {
      hash.update(text);
      write(text);
    };
    put(`${JSON.stringify(await headerOf(transaction, issuer))}\n`);
    const rows: Record<string, number> = {};
    for (const [table, key] of DURABLE) {
      rows[table] = 0;
      // The names are constants of durable.ts.
      const all = Prisma.raw(`select to_jsonb(t)::text as row from ${table} t order by ${key}`);
      for await (const part of transaction.read<{ row: string }>(all, ROWS_AT_ONCE)) {
        signal.throwIfAborted();
        put(part.map(({ row }) => `${lineOf(table, row)}\n`).join(''));
        rows[table] += part.length;
        for (const _ of part) step();
      }
    }
    const trailer: Trailer = { end: true, rows, sha256: hash.digest('hex') };
    write(`${JSON.stringify(trailer)}\n`);
    return trailer;
  });
}

async function headerOf(transaction: LongTransaction, issuer: string): Promise<Header> {
  const counts = DURABLE.map(([table]) => `select '${table}' as name, count(*)::float8 as rows from ${table}`).join(' union all ');
  const rows = await transaction.run<{ name: string; rows: number }>(Prisma.raw(counts));
  const [clock] = await transaction.run<{ at: string }>(Prisma.sql`select to_jsonb(now())::text as at`);
  return {
    munjigi: 'data',
    format: FORMAT,
    exportedAt: JSON.parse(clock?.at ?? '""'),
    issuer,
    migrations: await readMigrations(transaction),
    rows: Object.fromEntries(rows.map((row) => [row.name, row.rows])),
  };
}

/** @returns the applied migrations of a database; empty when it has no tables yet. */
export async function readMigrations(transaction: LongTransaction): Promise<string[]> {
  const [table] = await transaction.run<{ found: string | null }>(Prisma.sql`select to_regclass('_prisma_migrations')::text as found`);
  if (!table?.found) return [];
  const rows = await transaction.run<{ name: string }>(Prisma.sql`
    select migration_name as name from _prisma_migrations where finished_at is not null and rolled_back_at is null order by 1`);
  return rows.map(({ name }) => name);
}
