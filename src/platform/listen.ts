import pg from 'pg';

/** Owns the one connection of a node that listens (LISTEN/NOTIFY), on all its channels: it is lost from time to time, and made again. */

export type Listening = {
  /** Whether it hears at the moment: while it does not, changes go by unnoticed. */
  heard(): boolean;
};

export type Listener = {
  /** @param missed called each time it begins to hear: whatever was told before went by. */
  on(channel: string, hear: (message: string) => void, missed: () => void): Listening;
  close(): Promise<void>;
};

const RETRY_MS = 1_000;

type Subscription = { channel: string; hear: (message: string) => void; missed: () => void; heard: boolean };

/** What is done on a connection is done in turn: `turn` is the last of it. */
type Line = { client: pg.Client; turn: Promise<unknown> };

/** Connects when there is something to listen for. @param retryMs how long it waits before it makes a lost connection again. */
export function openListener(url: string, retryMs = RETRY_MS): Listener {
  const subscriptions: Subscription[] = [];
  let line: Line | undefined;
  let retry: NodeJS.Timeout | undefined;
  let closed = false;

  function connect(): void {
    retry = undefined;
    const client = new pg.Client({ connectionString: url, keepAlive: true, connectionTimeoutMillis: 2_000, query_timeout: 5_000 });
    const mine: Line = { client, turn: client.connect() };
    line = mine;
    client.on('notification', ({ channel, payload }) => {
      for (const subscription of subscriptions) if (subscription.channel === channel) subscription.hear(payload ?? '');
    });
    client.on('error', () => lost(mine));
    client.on('end', () => lost(mine));
    for (const subscription of subscriptions) listen(mine, subscription);
  }

  function listen(mine: Line, subscription: Subscription): void {
    mine.turn = mine.turn
      .then(() => mine.client.query(`listen ${mine.client.escapeIdentifier(subscription.channel)}`))
      .then(() => {
        if (line !== mine) return;
        subscription.missed();
        subscription.heard = true;
      });
    mine.turn.catch(() => lost(mine));
  }

  function lost(mine: Line): void {
    // Told of by several events, and by those of a connection that was given up before: once is enough.
    if (line !== mine) return;
    // One that connected and could not listen would stay open, and the next one beside it.
    hangUp().catch(() => {});
    retry = setTimeout(connect, retryMs).unref();
  }

  async function hangUp(): Promise<void> {
    const last = line;
    line = undefined;
    for (const subscription of subscriptions) subscription.heard = false;
    await last?.client.end();
  }

  return {
    on(channel, hear, missed) {
      const subscription: Subscription = { channel, hear, missed, heard: false };
      subscriptions.push(subscription);
      if (line) listen(line, subscription);
      else if (!retry && !closed) connect();
      return { heard: () => subscription.heard };
    },
    async close() {
      closed = true;
      clearTimeout(retry);
      await hangUp().catch(() => {});
    },
  };
}
