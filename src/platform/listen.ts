import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { openHosts } from './database-hosts.ts';

/**
 * Owns the one connection of a node that listens (LISTEN/NOTIFY), for all channels. It is opened again when it is lost. A connection can
 * also become deaf without an error, behind a firewall or a pooler. So it notifies itself, and counts as lost when it does not receive its
 * own notification.
 */

export type Listening = {
  /** Whether it listens now. While it does not, changes are missed. */
  heard(): boolean;
};

export type Listener = {
  /** @param missed called each time listening begins: earlier notifications were missed. */
  on(channel: string, hear: (message: string) => void, missed: () => void): Listening;
  close(): Promise<void>;
};

export type ListenerOptions = {
  /** Delay before a lost connection is opened again. */
  retryMs?: number;
  /** Interval of its own notifications. It detects deafness after twice this time. */
  aliveMs?: number;
  /** Receives the database's time with each of its own notifications. @param askedAt, answeredAt by performance.now(). */
  onTime?: (databaseTime: Date, askedAt: number, answeredAt: number) => void;
};

const RETRY_MS = 1_000;
const ALIVE_MS = 2_000;

/** Name of the listening connection in pg_stat_activity. */
export const LISTENER_NAME = 'munjigi-listen';

/** Prefix of the channels on which a connection notifies itself. */
export const ALIVE_CHANNEL = 'munjigi_alive_';

type Subscription = { channel: string; hear: (message: string) => void; missed: () => void; heard: boolean };

/** Statements of a connection run one after another; `turn` is the last of them. */
type Line = { client: pg.Client; turn: Promise<unknown>; alive: NodeJS.Timeout | undefined };

/** Connects at the first subscription. */
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

  /** Each connection uses its own channel, so nodes do not wake one another. */
  function keepAlive(mine: Line): void {
    const channel = ALIVE_CHANNEL + randomUUID();
    let unheard = false;
    let due = 0;
    mine.client.on('notification', (heard) => {
      if (heard.channel === channel) unheard = false;
    });
    const ask = () => {
      // A process that was held up has not yet read the notifications that arrived meanwhile.
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

  /** Runs work after the connection's earlier work. A failure of either loses the connection. */
  function then<T>(mine: Line, work: () => Promise<T>): Promise<T> {
    const turn = mine.turn.then(work);
    mine.turn = turn;
    turn.catch(() => lost(mine));
    return turn;
  }

  function lost(mine: Line): void {
    // Several events report the same loss, some from a connection that was abandoned before. It is handled once.
    if (line !== mine) return;
    // A connection that connected but could not listen would otherwise stay open beside the next one.
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

// lost() has already handled the failure.
const ignore = () => {};
