import { openClient, WITHOUT_LIMIT } from './database-hosts.ts';

/**
 * Takes the dead rows out of a table and its indexes, so that new rows find room. It may take as long as it likes, on a connection
 * of its own without a limit of time. Without truncating: that would lock everybody out for a moment. A table that is being vacuumed
 * already, or is not ours to vacuum, is left alone.
 * @param signal ends the waiting for it; the database finishes what it began. @throws pg's error when the connection is lost.
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
