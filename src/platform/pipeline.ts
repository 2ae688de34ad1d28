import type { Socket } from 'node:net';
import pg from 'pg';
import type { AdaptiveLimit } from './adaptive-limit.ts';
import type { DatabaseHosts } from './database-hosts.ts';

/**
 * A few connections on which statements follow one another without waiting for answers (PostgreSQL protocol, pipelining):
 * what a pool does with twenty connections and a round trip each, at a fraction of the work on both sides.
 * For single statements alone: a transaction would have strangers in it.
 */
export type Pipeline = {
  query(statement: { name?: string; text: string; values: unknown[] }): Promise<pg.QueryResult>;
  close(): Promise<void>;
};

export type PipelineOptions = {
  /** One is opened when all others are held up, up to so many. */
  connections: number;
  /** So many more while statements are slow and none of the connections has room. */
  more: number;
  /** How many statements follow one another on a connection. */
  depth: number;
  /** How many there are on all of them; others wait for their turn here, where they can still be taken back. */
  limit: AdaptiveLimit;
  /** How long they wait. One that would surely wait longer is refused at once. */
  patienceMs: number;
  /** Hears of each that was refused. @param waiting how many wait. */
  refused?(waiting: number): void;
};

type Line = {
  client: pg.Client;
  ready: Promise<unknown>;
  underWay: number;
  /** When it last answered, or was idle. */
  seen: number;
  gathering: boolean;
  /** False while one of the additional connections is being made: nobody waits for that. */
  open: boolean;
  lost(): void;
};

// A connection that has not answered for so long waits for a disk or a lock: what comes next goes elsewhere.
const HELD_UP_MS = 2;

// Statements that take so long wait for a disk, for locks or for the network. Then more connections get more done.
const SLOW_MS = 50;
// A database that has no room for another connection is asked again after this.
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

  /** The first connection that is not held up: what is asked in one turn of the event loop shares it, and leaves in one packet. */
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

  /** Begins one more, while statements are slow. It takes part once it is open. */
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
        // All others may have been lost meanwhile.
        serveWaiting();
      },
    );
  }

  /** @param open whether statements may be sent to it at once, and wait for it. */
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

  /** A place on a connection. */
  function take(): Line | undefined {
    const line = underWay < limit.statements ? choose() : undefined;
    if (!line) return undefined;
    if (line.underWay === 0) line.seen = performance.now();
    line.underWay += 1;
    underWay += 1;
    if (!line.gathering) gather(line);
    return line;
  }

  /** Holds back what is sent until the turn is over: a system call costs more than most statements do. */
  function gather(line: Line): void {
    const { stream } = (line.client as unknown as { connection: { stream: Socket } }).connection;
    line.gathering = true;
    stream.cork();
    setImmediate(() => {
      line.gathering = false;
      stream.uncork();
    });
  }

  /** One that was given up is closed once nobody waits for it. */
  function hangUp(line: Line): void {
    if (!line.underWay) line.client.end().catch(() => {});
  }

  function giveBack(line: Line): void {
    line.underWay -= 1;
    underWay -= 1;
    line.seen = performance.now();
    if (!lines.includes(line)) hangUp(line);
    // Statements are fast again.
    else if (!line.underWay && lines.length > connections && limit.tookMs < SLOW_MS / 2) line.lost();
    serveWaiting();
  }

  /** Those who came first go first. */
  function serveWaiting(): void {
    for (let next = waiting.length ? take() : undefined; next; next = waiting.length ? take() : undefined) waiting.shift()?.(next);
  }

  /** @throws Error in the words of pg's own pool. */
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
        // A statement that is refused leaves its connection whole. Otherwise nobody else is to be sent down this one, although it may take
        // a moment until it is seen to have closed (SQLSTATE classes 08 and 57P; the severity is in the server's language).
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
