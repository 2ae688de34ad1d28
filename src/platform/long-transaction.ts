import type { Statement } from './database.ts';
import { openClient, WITHOUT_LIMIT } from './database-hosts.ts';

/**
 * Owns transactions that take as long as they take: an operator's, who reads or writes the whole of the database. They have a connection of
 * their own, without the limits of time that requests have.
 */

export type LongTransaction = {
  run<Row>(statement: Statement): Promise<Row[]>;
  /** The rows of a statement that reads, in parts, so that the whole is never in memory. @param statement without values. */
  read<Row>(statement: Statement, atOnce: number): AsyncGenerator<Row[]>;
};

// One moment for all that is read, whoever writes meanwhile.
const BEGIN = { read: 'begin isolation level repeatable read read only', write: 'begin' };

/** Commits when the work is done, and rolls back when it fails, or this process does. */
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
    // Times are written out as text.
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
    // What was not committed is rolled back with its connection.
    await client.end().catch(() => {});
  }
}
