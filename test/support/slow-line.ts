import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { answersIn } from './wire.ts';

/** A database that works, and is slow. */
export type SlowLine = {
  url: string;
  /**
   * @param statementMs how long each statement of a connection takes, one after another, as where a disk is slow.
   * @param roundTripMs how long each answer is on its way, however many are, as where the database is far away.
   * @param openingMs how long a new connection takes to open.
   */
  slow(slowness: { statementMs?: number; roundTripMs?: number; openingMs?: number }): void;
  /** How many connections there are. */
  connections(): number;
  close(): void;
};

export async function createSlowLine(databaseUrl: string): Promise<SlowLine> {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  let [statementMs, roundTripMs, openingMs] = [0, 0, 0];
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ port: Number(target.port), host: target.hostname, noDelay: true });
    const answers = answersIn();
    let [free, greeted] = [0, false];
    const opensAt = performance.now() + openingMs;
    near.on('data', (chunk) => far.write(chunk));
    far.on('data', (chunk) => {
      // What comes before the first ReadyForQuery waits for an answer of the client.
      if (!greeted) {
        setTimeout(() => near.write(chunk), opensAt - performance.now());
        greeted = answers(chunk).length > 0;
        return;
      }
      for (const answer of answers(chunk)) {
        free = Math.max(free, performance.now()) + statementMs;
        const wait = free + roundTripMs - performance.now();
        if (wait > 0) setTimeout(() => near.write(answer), wait);
        else near.write(answer);
      }
    });
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on('end', () => other.end());
      one.on('error', () => other.destroy());
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(databaseUrl);
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    slow(slowness) {
      ({ statementMs = 0, roundTripMs = 0, openingMs = 0 } = slowness);
    },
    connections: () => sockets.size / 2,
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
