import { openClient, WITHOUT_LIMIT } from './database-hosts.ts';

/**
 * Removes dead rows from a table and its indexes, so that new rows find room. It runs on a connection of its own without a time limit. It
 * does not truncate, because that briefly locks out all others. It skips a table that another process is vacuuming or that the role may not
 * vacuum.
 * @param signal stops waiting; the database finishes what it began.
 * @throws pg's error when the connection is lost.
 */
export async function vacuum(url: string, table: string, signal: AbortSignal): Promise<void> {
  const client = openClient(url, { keepAlive: true, connectionTimeoutMillis: 2_000 });
  const giveUp = () => void client.end();
  signal.addEventListener('abort', giveUp);
  try {
    await client.connect();
    await client.query(WITHOUT_LIMIT);
    if (!signal.aborted) await client.query(`vacuum (skip_locked, truncate off, parallel 0) ${client.escapeIdentifier(table)}`);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', giveUp);
    await client.end().catch(() => {});
  }
}
