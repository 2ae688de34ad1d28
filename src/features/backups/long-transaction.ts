import type { Statement } from '../../platform/database.ts';
import { openClient, WITHOUT_LIMIT } from '../../platform/database-hosts.ts';

/**
 * Owns transactions without a time limit, for an operator who reads or writes the whole database. Each has a connection of its own, without
 * the time limits of requests.
 */

export type LongTransaction = {
  run<Row>(statement: Statement): Promise<Row[]>;
  /** @returns the rows of a read in batches, so that they are never all in memory. @param statement without values. */
  read<Row>(statement: Statement, atOnce: number): AsyncGenerator<Row[]>;
};

// All reads see the database at one moment, despite writes by others.
const BEGIN = { read: 'begin isolation level repeatable read read only', write: 'begin' };

/** Commits when the work succeeds. Rolls back when the work or this process fails. */
export async function inLongTransaction<T>(
  url: string,
  mode: keyof typeof BEGIN,
  work: (transaction: LongTransaction) => Promise<T>,
): Promise<T> {
  const client = openClient(url, { keepAlive: true, connectionTimeoutMillis: 5_000 });
  await client.connect();
  try {
    await client.query(WITHOUT_LIMIT);
    await client.query(BEGIN[mode]);
    // Postgres writes times as text in this zone.
    await client.query("set local time zone 'UTC'");
    const result = await work({
      run: async <Row>({ text, values }: Statement) => (await client.query(text, values)).rows as Row[],
      async *read<Row>({ text }: Statement, atOnce: number) {
        await client.query(`declare long_read no scroll cursor for ${text}`);
        for (;;) {
          const { rows } = await client.query(`fetch ${atOnce} from long_read`);
          if (!rows.length) break;
          yield rows as Row[];
        }
        await client.query('close long_read');
      },
    });
    await client.query('commit');
    return result;
  } finally {
    // The database rolls back an uncommitted transaction when its connection ends.
    await client.end().catch(() => {});
  }
}
