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
  /** Connections while statements are fast. They open one after another from the first statement on. */
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
  underWay: number;
  /** When it last answered, or was idle. */
  seen: number;
  gathering: boolean;
  /** False while the connection opens, which takes several round trips. */
  open: boolean;
  lost(): void;
};

type Waiting = { since: number; serve(line: Line): void; refuse(error: Error): void };

// A connection without an answer for this long waits for a disk or a lock, so the next statements use another.
const HELD_UP_MS = 2;

// Statements this slow wait for a disk, for locks or for the network. Then more connections increase the throughput.
const SLOW_MS = 50;
// Delay before the server asks a full database for another connection.
const NO_ROOM_MS = 5_000;
// How long a statement waits for the first connection.
const FIRST_LINE_MS = 1_000;

export function openPipeline(
  Client: DatabaseHosts['Client'],
  config: pg.ClientConfig,
  { connections, more, depth, limit, patienceMs, refused = () => {} }: PipelineOptions,
): Pipeline {
  let lines: Line[] = [];
  let underWay = 0;
  let noRoomUntil = 0;
  let closed = false;
  let waiting: Waiting[] = [];

  /**
   * Chooses the first connection that is not held up. Statements of one turn of the event loop share it and leave in one packet. While the
   * database is fast, a statement waits for a connection that opens; otherwise it follows others on the least busy one.
   */
  function choose(): Line | undefined {
    const since = performance.now() - HELD_UP_MS;
    let leastBusy: Line | undefined;
    for (const line of lines) {
      if (line.underWay >= depth || !line.open) continue;
      if (line.underWay === 0 || line.seen > since) return line;
      if (!leastBusy || line.underWay < leastBusy.underWay) leastBusy = line;
    }
    return grow() && limit.tookMs < SLOW_MS ? undefined : leastBusy;
  }

  /** Opens one more connection, or all that may be open once statements are slow. @returns whether a connection is opening. */
  function grow(): boolean {
    const opening = lines.filter(({ open }) => !open).length;
    if (performance.now() >= noRoomUntil || !connected()) for (let n = wanted(opening); n > 0; n--) connect();
    return lines.some(({ open }) => !open);
  }

  const connected = () => lines.some(({ open }) => open);

  function wanted(opening: number): number {
    if (limit.tookMs >= SLOW_MS) return connections + more - lines.length;
    // The connections that open will take the statements that wait.
    return opening * depth > waiting.length || lines.length >= connections ? 0 : 1;
  }

  function connect(): void {
    if (closed) return;
    const begunAt = performance.now();
    const client = new Client({ ...config, pipeline: true });
    const lost = () => {
      lines = lines.filter((other) => other !== line);
      hangUp(line);
    };
    const line: Line = { client, underWay: 0, seen: 0, gathering: false, open: false, lost };
    client.on('error', lost);
    client.on('end', lost);
    lines.push(line);
    client.connect().then(
      () => {
        line.open = true;
        serveWaiting();
        // The others open ahead of need: once the database is slow, that takes seconds.
        if (lines.length < connections) connect();
      },
      (error) => {
        lost();
        if (connected()) noRoomUntil = performance.now() + NO_ROOM_MS;
        else if (lines.length) return;
        else refuseWaiting(error, begunAt);
        serveWaiting();
      },
    );
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
    serveWaiting();
    shrink();
  }

  /** Closes the additional connections once statements are fast again. */
  function shrink(): void {
    if (lines.length <= connections || limit.tookMs >= SLOW_MS / 2) return;
    for (const line of lines.slice(connections)) if (line.open && !line.underWay) line.lost();
  }

  /** Serves in order of arrival. */
  function serveWaiting(): void {
    for (let next = waiting.length ? take() : undefined; next; next = waiting.length ? take() : undefined) waiting.shift()?.serve(next);
  }

  /** Without a connection, no statement waits for a second attempt. A later statement has an attempt of its own. */
  function refuseWaiting(error: Error, attemptedAt: number): void {
    const refused = waiting.filter(({ since }) => since <= attemptedAt);
    waiting = waiting.filter(({ since }) => since > attemptedAt);
    for (const { refuse } of refused) refuse(error);
  }

  /** @throws Error with the message of pg's own pool. */
  function takeInTurn(since: number): Promise<Line> {
    const late = () => {
      refused(waiting.length);
      return new Error('timeout exceeded when trying to connect');
    };
    // Connections that open will take as many statements as the limit allows.
    const takes = lines.every(({ open }) => open) ? underWay : limit.statements;
    if (connected() && limit.waitMs(waiting.length, takes) > patienceMs) return Promise.reject(late());
    return new Promise((resolve, reject) => {
      const mine: Waiting = {
        since,
        serve(line) {
          clearTimeout(patience);
          resolve(line);
        },
        refuse(error) {
          clearTimeout(patience);
          reject(error);
        },
      };
      const patience = setTimeout(
        () => {
          waiting = waiting.filter((other) => other !== mine);
          reject(late());
        },
        connected() ? patienceMs : FIRST_LINE_MS,
      );
      waiting.push(mine);
    });
  }

  return {
    async query(statement) {
      const since = performance.now();
      const line = (waiting.length ? undefined : take()) ?? (await takeInTurn(since));
      const sentAt = performance.now();
      try {
        return await line.client.query(statement);
      } catch (error) {
        // A refused statement leaves its connection usable. After any other error no statement may use this connection, although its
        // closing may become visible later. Those errors have SQLSTATE classes 08 and 57P; the severity cannot be used, because it is in
        // the server's language.
        if (!(error instanceof pg.DatabaseError) || /^(08|57P)/.test(error.code ?? '')) line.lost();
        throw error;
      } finally {
        limit.answered(sentAt, underWay);
        giveBack(line);
      }
    },
    async close() {
      closed = true;
      const open = lines;
      lines = [];
      await Promise.all(open.map(({ client }) => client.end().catch(() => {})));
    },
  };
}
