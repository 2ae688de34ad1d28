import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

/** A TCP connection to the database that can become slow, fall silent, or lead to another host, as an address that moves does. */
export type Line = {
  /** The database's URL by way of this line. */
  url: string;
  /** Delays what the database answers. */
  slow(ms: number): void;
  /** Drops every byte in both directions and closes nothing, as a network that lost its route does. */
  silence(): void;
  /** Ends silence and delay. Connections on which bytes were lost are closed. */
  mend(): void;
  /** Closes every connection and leads new ones to another port. */
  leadTo(port: number): void;
  /** How many connections are open now. */
  open(): number;
  close(): void;
};

export async function createLine(databaseUrl: string): Promise<Line> {
  const url = new URL(databaseUrl);
  let port = Number(url.port);
  let delayMs = 0;
  let silent = false;
  const sockets = new Set<Socket>();
  const drop = () => {
    for (const socket of sockets) socket.destroy();
  };

  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ port, host: '127.0.0.1', noDelay: true });
    let answered: Promise<unknown> = Promise.resolve();
    near.on('data', (chunk) => silent || far.write(chunk));
    far.on('data', (chunk) => {
      if (silent) return;
      const due = pause(delayMs);
      // In turn, so that no delay changes the order.
      answered = answered.then(() => due).then(() => near.writable && near.write(chunk));
    });
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        sockets.delete(one);
        other.end();
      });
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    slow(ms) {
      delayMs = ms;
    },
    silence() {
      silent = true;
    },
    mend() {
      if (silent) drop();
      silent = false;
      delayMs = 0;
    },
    leadTo(next) {
      port = next;
      drop();
    },
    open: () => sockets.size / 2,
    close() {
      drop();
      server.close();
    },
  };
}
