import type { Socket } from 'node:net';
import pg from 'pg';

/**
 * A few connections on which statements follow one another without waiting for answers (PostgreSQL protocol, pipelining):
 * what a pool does with twenty connections and a round trip each, at a fraction of the work on both sides.
 * For single statements alone: a transaction would have strangers in it.
 */
export type Pipeline = {
  query(statement: { name: string; text: string; values: unknown[] }): Promise<pg.QueryResult>;
  close(): Promise<void>;
};

const CONNECTIONS = 3;

type Line = { client: pg.Client; ready: Promise<unknown>; underWay: number };

export function openPipeline(config: pg.ClientConfig): Pipeline {
  const lines: (Line | undefined)[] = Array.from({ length: CONNECTIONS });
  let ofThisTurn: Line | undefined;

  /** The connection with the least to do; one that was lost is made again by whoever needs it. */
  function shortest(): Line {
    let best = 0;
    for (let n = 0; n < CONNECTIONS; n++) {
      if (!lines[n]) return connect(n);
      if ((lines[n] as Line).underWay < (lines[best] as Line).underWay) best = n;
    }
    return lines[best] as Line;
  }

  /** What is asked in one turn of the event loop leaves together, in one packet: a system call costs more than a statement does. */
  function lineOfThisTurn(): Line {
    if (!ofThisTurn) {
      const line = shortest();
      ofThisTurn = line;
      const { stream } = (line.client as unknown as { connection: { stream: Socket } }).connection;
      stream.cork();
      setImmediate(() => {
        ofThisTurn = undefined;
        stream.uncork();
      });
    }
    return ofThisTurn;
  }

  function connect(n: number): Line {
    const client = new pg.Client({ ...config, pipeline: true } as pg.ClientConfig);
    const line: Line = { client, ready: client.connect(), underWay: 0 };
    const lost = () => {
      if (lines[n] === line) lines[n] = undefined;
    };
    client.on('error', lost);
    client.on('end', lost);
    line.ready.catch(lost);
    lines[n] = line;
    return line;
  }

  return {
    async query(statement) {
      const line = lineOfThisTurn();
      line.underWay += 1;
      try {
        await line.ready;
        return await line.client.query(statement);
      } finally {
        line.underWay -= 1;
      }
    },
    async close() {
      const open = lines.splice(0, CONNECTIONS, ...Array.from({ length: CONNECTIONS }, () => undefined));
      await Promise.all(open.map((line) => line?.client.end().catch(() => {})));
    },
  };
}
