import type { Socket } from 'node:net';
import pg from 'pg';

/**
 * A few connections on which statements follow one another without waiting for answers (PostgreSQL protocol, pipelining):
 * what a pool does with twenty connections and a round trip each, at a fraction of the work on both sides.
 * For single reads alone: a transaction would have strangers in it; a write may wait for a lock, and everything behind it would too.
 */
export type Pipeline = {
  query(statement: { name: string; text: string; values: unknown[] }): Promise<pg.QueryResult>;
  close(): Promise<void>;
};

type Line = {
  client: pg.Client;
  ready: Promise<unknown>;
  underWay: number;
  /** When it last answered, or was idle. */
  seen: number;
  lost(): void;
};

// A connection that has not answered for so long waits for a disk or a lock: what comes next goes elsewhere.
const HELD_UP_MS = 2;

/** @param connections the most there will be: one is opened when all others are held up. */
export function openPipeline(config: pg.ClientConfig, connections: number): Pipeline {
  let lines: Line[] = [];
  let ofThisTurn: Line | undefined;

  /**
   * What is asked in one turn of the event loop leaves together, in one packet: a system call costs more than most statements do.
   * For the same reason the first connection that is not held up takes it all.
   */
  function lineOfThisTurn(): Line {
    if (!ofThisTurn) {
      const line = flowing() ?? (lines.length < connections ? connect() : leastBusy());
      ofThisTurn = line;
      const { stream } = (line.client as unknown as { connection: { stream: Socket } }).connection;
      stream.cork();
      setImmediate(() => {
        if (ofThisTurn === line) ofThisTurn = undefined;
        stream.uncork();
      });
    }
    return ofThisTurn;
  }

  function flowing(): Line | undefined {
    const since = performance.now() - HELD_UP_MS;
    return lines.find((line) => line.underWay === 0 || line.seen > since);
  }

  function leastBusy(): Line {
    return lines.reduce((best, line) => (line.underWay < best.underWay ? line : best));
  }

  function connect(): Line {
    const client = new pg.Client({ ...config, pipeline: true } as pg.ClientConfig);
    const lost = () => {
      lines = lines.filter((other) => other !== line);
      if (ofThisTurn === line) ofThisTurn = undefined;
    };
    const line: Line = { client, ready: client.connect(), underWay: 0, seen: 0, lost };
    client.on('error', lost);
    client.on('end', lost);
    line.ready.catch(lost);
    lines.push(line);
    return line;
  }

  return {
    async query(statement) {
      const line = lineOfThisTurn();
      if (line.underWay === 0) line.seen = performance.now();
      line.underWay += 1;
      try {
        await line.ready;
        return await line.client.query(statement);
      } catch (error) {
        // A statement that is refused leaves its connection whole. Otherwise nobody else is to be sent down this one, although it may take
        // a moment until it is seen to have closed (SQLSTATE classes 08 and 57P; the severity is in the server's language).
        if (!(error instanceof pg.DatabaseError) || /^(08|57P)/.test(error.code ?? '')) line.lost();
        throw error;
      } finally {
        line.underWay -= 1;
        line.seen = performance.now();
      }
    },
    async close() {
      const open = lines;
      lines = [];
      await Promise.all(open.map(({ client }) => client.end().catch(() => {})));
    },
  };
}
