import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { openHosts } from './database-hosts.ts';

/**
 * Owns the one connection of a node that listens (LISTEN/NOTIFY), on all its channels: it is lost from time to time, and made again.
 * A connection can fall deaf and say nothing of it: a firewall that forgot it, a pooler in between. So it notifies itself, and one that does
 * not hear itself is lost.
 */

export type Listening = {
  /** Whether it hears at the moment: while it does not, changes go by unnoticed. */
  heard(): boolean;
};

export type Listener = {
  /** @param missed called each time it begins to hear: whatever was told before went by. */
  on(channel: string, hear: (message: string) => void, missed: () => void): Listening;
  close(): Promise<void>;
};

export type ListenerOptions = {
  /** How long it waits before it makes a lost connection again. */
  retryMs?: number;
  /** How often it notifies itself. It knows that it is deaf after twice as long. */
  aliveMs?: number;
  /** Hears what time the database has, each time that it hears itself. @param askedAt, answeredAt by performance.now(). */
  onTime?: (databaseTime: Date, askedAt: number, answeredAt: number) => void;
};

const RETRY_MS = 1_000;
const ALIVE_MS = 2_000;

/** How the listening connection is named in pg_stat_activity. */
export const LISTENER_NAME = 'munjigi-listen';

/** How the channels begin on which a connection notifies itself. */
export const ALIVE_CHANNEL = 'munjigi_alive_';

type Subscription = { channel: string; hear: (message: string) => void; missed: () => void; heard: boolean };

/** What is done on a connection is done in turn: `turn` is the last of it. */
type Line = { client: pg.Client; turn: Promise<unknown>; alive: NodeJS.Timeout | undefined };

/** Connects when there is something to listen for. */
export function openListener(url: string, { retryMs = RETRY_MS, aliveMs = ALIVE_MS, onTime }: ListenerOptions = {}): Listener {
  const { Client } = openHosts(url);
  const subscriptions: Subscription[] = [];
  let line: Line | undefined;
  let retry: NodeJS.Timeout | undefined;
  let closed = false;

  function connect(): void {
    retry = undefined;
    const client = new Client({
      application_name: LISTENER_NAME,
      keepAlive: true,
      connectionTimeoutMillis: 2_000,
      query_timeout: 5_000,
    });
    const mine: Line = { client, turn: client.connect(), alive: undefined };
    line = mine;
    client.on('notification', ({ channel, payload }) => {
      for (const subscription of subscriptions) if (subscription.channel === channel) subscription.hear(payload ?? '');
    });
    client.on('error', () => lost(mine));
    client.on('end', () => lost(mine));
    keepAlive(mine);
    for (const subscription of subscriptions) listen(mine, subscription);
  }

  function listen(mine: Line, subscription: Subscription): void {
    then(mine, () => mine.client.query(`listen ${mine.client.escapeIdentifier(subscription.channel)}`)).then(() => {
      if (line !== mine) return;
      subscription.missed();
      subscription.heard = true;
    }, ignore);
  }

  /** The channel is this connection's own, so nodes do not wake one another. */
  function keepAlive(mine: Line): void {
    const channel = ALIVE_CHANNEL + randomUUID();
    let unheard = false;
    let due = 0;
    mine.client.on('notification', (heard) => {
      if (heard.channel === channel) unheard = false;
    });
    const ask = () => {
      // A process that was held up has not read yet what it was told meanwhile.
      const heldUp = performance.now() - due > aliveMs / 2;
      if (unheard && !heldUp) return lost(mine);
      due = performance.now() + aliveMs;
      mine.alive = setTimeout(ask, aliveMs).unref();
      if (unheard) return;
      unheard = true;
      const askedAt = performance.now();
      then(mine, () => mine.client.query('select pg_notify($1, $2), clock_timestamp() as now', [channel, ''])).then(
        ({ rows: [row] }) => onTime?.(row.now, askedAt, performance.now()),
        ignore,
      );
    };
    then(mine, () => mine.client.query(`listen ${mine.client.escapeIdentifier(channel)}`)).then(() => line === mine && ask(), ignore);
  }

  /** Does it after what was asked of this connection before. A failure of either loses the connection. */
  function then<T>(mine: Line, work: () => Promise<T>): Promise<T> {
    const turn = mine.turn.then(work);
    mine.turn = turn;
    turn.catch(() => lost(mine));
    return turn;
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
    clearTimeout(last?.alive);
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

// lost() has been told of it already.
const ignore = () => {};
