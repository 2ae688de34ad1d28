import type { Socket } from 'node:net';
import pg from 'pg';
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
  /** The most there will be: one is opened when all others are held up. */
  connections: number;
  /** How many statements follow one another on a connection; more wait for their turn here, where they can still be taken back. */
  depth: number;
  /** How long they wait. */
  patienceMs: number;
};

type Line = {
  client: pg.Client;
  ready: Promise<unknown>;
  underWay: number;
  /** When it last answered, or was idle. */
  seen: number;
  gathering: boolean;
  lost(): void;
};

// A connection that has not answered for so long waits for a disk or a lock: what comes next goes elsewhere.
const HELD_UP_MS = 2;

export function openPipeline(
  Client: DatabaseHosts['Client'],
  config: pg.ClientConfig,
  { connections, depth, patienceMs }: PipelineOptions,
): Pipeline {
  let lines: Line[] = [];
  const waiting: ((line: Line) => void)[] = [];

  /** The first connection that is not held up: what is asked in one turn of the event loop shares it, and leaves in one packet. */
  function choose(): Line | undefined {
    const since = performance.now() - HELD_UP_MS;
    let leastBusy: Line | undefined;
    for (const line of lines) {
      if (line.underWay >= depth) continue;
      if (line.underWay === 0 || line.seen > since) return line;
      if (!leastBusy || line.underWay < leastBusy.underWay) leastBusy = line;
    }
    return lines.length < connections ? connect() : leastBusy;
  }

  function connect(): Line {
    const client = new Client({ ...config, pipeline: true });
    const lost = () => {
      lines = lines.filter((other) => other !== line);
      hangUp(line);
    };
    const line: Line = { client, ready: client.connect(), underWay: 0, seen: 0, gathering: false, lost };
    client.on('error', lost);
    client.on('end', lost);
    line.ready.catch(lost);
    lines.push(line);
    return line;
  }

  /** A place on a connection. */
  function take(): Line | undefined {
    const line = choose();
    if (!line) return undefined;
    if (line.underWay === 0) line.seen = performance.now();
    line.underWay += 1;
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
    line.seen = performance.now();
    if (!lines.includes(line)) hangUp(line);
    const next = waiting.length ? take() : undefined;
    if (next) waiting.shift()?.(next);
  }

  /** @throws Error in the words of pg's own pool. */
  function takeInTurn(): Promise<Line> {
    return new Promise((resolve, reject) => {
      const mine = (line: Line) => {
        clearTimeout(patience);
        resolve(line);
      };
      const patience = setTimeout(() => {
        waiting.splice(waiting.indexOf(mine), 1);
        reject(new Error('timeout exceeded when trying to connect'));
      }, patienceMs);
      waiting.push(mine);
    });
  }

  return {
    async query(statement) {
      const line = (waiting.length ? undefined : take()) ?? (await takeInTurn());
      try {
        await line.ready;
        return await line.client.query(statement);
      } catch (error) {
        // A statement that is refused leaves its connection whole. Otherwise nobody else is to be sent down this one, although it may take
        // a moment until it is seen to have closed (SQLSTATE classes 08 and 57P; the severity is in the server's language).
        if (!(error instanceof pg.DatabaseError) || /^(08|57P)/.test(error.code ?? '')) line.lost();
        throw error;
      } finally {
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
