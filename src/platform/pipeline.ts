import type { Socket } from 'node:net';
import pg from 'pg';
import type { AdaptiveLimit } from './adaptive-limit.ts';
import type { DatabaseHosts } from './database-hosts.ts';

/**
 * Owns a few connections that send statements without waiting for earlier answers (PostgreSQL protocol, pipelining). They replace a pool of
 * twenty connections with a round trip each, at a fraction of the work on both sides. They take single statements only: other requests'
 * statements would fall into a transaction.
 */
export type Pipeline = {
  query(statement: { name?: string; text: string; values: unknown[] }): Promise<pg.QueryResult>;
  close(): Promise<void>;
};

export type PipelineOptions = {
  /** Most connections. The next one opens when all others are held up. */
  connections: number;
  /** Additional connections while statements are slow and no connection has room. */
  more: number;
  /** The most statements in flight on one connection. */
  depth: number;
  /** The most statements in flight on all connections. Others wait here, where they can still be withdrawn. */
  limit: AdaptiveLimit;
  /** How long a statement waits. One that would surely wait longer is refused at once. */
  patienceMs: number;
  /** Called for each refused statement. @param waiting how many statements wait. */
  refused?(waiting: number): void;
};

type Line = {
  client: pg.Client;
  ready: Promise<unknown>;
  underWay: number;
  /** When it last answered, or was idle. */
  seen: number;
  gathering: boolean;
  /** False while an additional connection is opening: no statement waits for it. */
  open: boolean;
  lost(): void;
};

// A connection without an answer for this long waits for a disk or a lock, so the next statements use another.
const HELD_UP_MS = 2;

// Statements this slow wait for a disk, for locks or for the network. Then more connections increase the throughput.
const SLOW_MS = 50;
// Delay before the server asks a full database for another connection.
const NO_ROOM_MS = 5_000;

export function openPipeline(
  Client: DatabaseHosts['Client'],
  config: pg.ClientConfig,
  { connections, more, depth, limit, patienceMs, refused = () => {} }: PipelineOptions,
): Pipeline {
  let lines: Line[] = [];
  let underWay = 0;
  let noRoomUntil = 0;
  const waiting: ((line: Line) => void)[] = [];

  /** Chooses the first connection that is not held up. Statements of one turn of the event loop share it and leave in one packet. */
  function choose(): Line | undefined {
    const since = performance.now() - HELD_UP_MS;
    let leastBusy: Line | undefined;
    for (const line of lines) {
      if (line.underWay >= depth || !line.open) continue;
      if (line.underWay === 0 || line.seen > since) return line;
      if (!leastBusy || line.underWay < leastBusy.underWay) leastBusy = line;
    }
    if (lines.length < connections) return connect(true);
    addLine();
    return leastBusy;
  }

  /** Opens an additional connection while statements are slow. It takes statements once it is open. */
  function addLine(): void {
    if (lines.length >= connections + more || limit.tookMs < SLOW_MS || performance.now() < noRoomUntil) return;
    const line = connect(false);
    line.ready.then(
      () => {
        line.open = true;
        serveWaiting();
      },
      () => {
        noRoomUntil = performance.now() + NO_ROOM_MS;
        // All other connections may have been lost meanwhile.
        serveWaiting();
      },
    );
  }

  /** @param open whether statements may be sent to it at once, and wait until it is connected. */
  function connect(open: boolean): Line {
    const client = new Client({ ...config, pipeline: true });
    const lost = () => {
      lines = lines.filter((other) => other !== line);
      hangUp(line);
    };
    const line: Line = { client, ready: client.connect(), underWay: 0, seen: 0, gathering: false, open, lost };
    client.on('error', lost);
    client.on('end', lost);
    line.ready.catch(lost);
    lines.push(line);
    return line;
  }

  /** Reserves a place on a connection. */
  function take(): Line | undefined {
    const line = underWay < limit.statements ? choose() : undefined;
    if (!line) return undefined;
    if (line.underWay === 0) line.seen = performance.now();
    line.underWay += 1;
    underWay += 1;
    if (!line.gathering) gather(line);
    return line;
  }

  /** Holds back data until the turn ends: a system call costs more than most statements. */
  function gather(line: Line): void {
    const { stream } = (line.client as unknown as { connection: { stream: Socket } }).connection;
    line.gathering = true;
    stream.cork();
    setImmediate(() => {
      line.gathering = false;
      stream.uncork();
    });
  }

  /** Closes an abandoned connection when no statement waits for it. */
  function hangUp(line: Line): void {
    if (!line.underWay) line.client.end().catch(() => {});
  }

  function giveBack(line: Line): void {
    line.underWay -= 1;
    underWay -= 1;
    line.seen = performance.now();
    if (!lines.includes(line)) hangUp(line);
    // Statements are fast again, so the additional connection closes.
    else if (!line.underWay && lines.length > connections && limit.tookMs < SLOW_MS / 2) line.lost();
    serveWaiting();
  }

  /** Serves in order of arrival. */
  function serveWaiting(): void {
    for (let next = waiting.length ? take() : undefined; next; next = waiting.length ? take() : undefined) waiting.shift()?.(next);
  }

  /** @throws Error with the message of pg's own pool. */
  function takeInTurn(): Promise<Line> {
    const late = () => {
      refused(waiting.length);
      return new Error('timeout exceeded when trying to connect');
    };
    if (limit.waitMs(waiting.length, underWay) > patienceMs) return Promise.reject(late());
    return new Promise((resolve, reject) => {
      const mine = (line: Line) => {
        clearTimeout(patience);
        resolve(line);
      };
      const patience = setTimeout(() => {
        waiting.splice(waiting.indexOf(mine), 1);
        reject(late());
      }, patienceMs);
      waiting.push(mine);
    });
  }

  return {
    async query(statement) {
      const line = (waiting.length ? undefined : take()) ?? (await takeInTurn());
      let sentAt: number | undefined;
      try {
        await line.ready;
        sentAt = performance.now();
        return await line.client.query(statement);
      } catch (error) {
        // A refused statement leaves its connection usable. After any other error no statement may use this connection, although its
        // closing may become visible later. Those errors have SQLSTATE classes 08 and 57P; the severity cannot be used, because it is in
        // the server's language.
        if (!(error instanceof pg.DatabaseError) || /^(08|57P)/.test(error.code ?? '')) line.lost();
        throw error;
      } finally {
        if (sentAt !== undefined) limit.answered(sentAt, underWay);
        giveBack(line);
      }
    },
    async close() {
      const open = lines;
      lines = [];
      await Promise.all(open.map(({ client }) => client.end().catch(() => {})));
    },
  };
}
