import pg from 'pg';

/** Owns a connection that listens (LISTEN/NOTIFY): it is lost from time to time, and made again. */

export type Listening = {
  /** Whether it hears at the moment: while it does not, changes go by unnoticed. */
  heard(): boolean;
  close(): Promise<void>;
};

const RETRY_MS = 1_000;

/** @param missed called each time it begins to hear: whatever was told before went by. */
export function listenOn(url: string, channel: string, hear: (message: string) => void, missed: () => void): Listening {
  let client: pg.Client | undefined;
  let hearing = false;
  let closed = false;
  let retry: NodeJS.Timeout | undefined;

  async function connect(): Promise<void> {
    client = new pg.Client({ connectionString: url, keepAlive: true, connectionTimeoutMillis: 2_000 });
    client.on('notification', ({ payload }) => hear(payload ?? ''));
    client.on('error', lost);
    client.on('end', lost);
    try {
      await client.connect();
      await client.query(`listen ${client.escapeIdentifier(channel)}`);
      missed();
      hearing = true;
    } catch {
      lost();
    }
  }

  function lost(): void {
    hearing = false;
    if (closed || retry) return;
    retry = setTimeout(() => {
      retry = undefined;
      void connect();
    }, RETRY_MS);
    retry.unref();
  }

  void connect();
  return {
    heard: () => hearing,
    async close() {
      closed = true;
      clearTimeout(retry);
      await client?.end().catch(() => {});
    },
  };
}
