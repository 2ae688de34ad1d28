import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** The wire to the database: it can be cut and mended, and counts the statements that go over it. */
export async function createWire(databaseUrl: string) {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  let cut = false;
  let statements = 0;
  const server = createServer((near) => {
    if (cut) return void near.resetAndDestroy();
    const far = connect(Number(target.port), target.hostname);
    near.on(
      'data',
      countStatements(() => statements++),
    );
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.pipe(other);
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
    statements: () => statements,
    cut() {
      cut = true;
      for (const socket of sockets) socket.resetAndDestroy();
    },
    mend() {
      cut = false;
    },
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

/** Reads the frontend's messages (PostgreSQL protocol 3.0): each Query (Q) and each Execute (E) is a statement. */
function countStatements(count: () => void): (chunk: Buffer) => void {
  let pending = Buffer.alloc(0);
  let started = false;
  return (chunk) => {
    pending = Buffer.concat([pending, chunk]);
    for (;;) {
      // The first message has no type.
      const header = started ? 1 : 0;
      if (pending.length < header + 4) return;
      const length = header + pending.readUInt32BE(header);
      if (pending.length < length) return;
      const type = started ? String.fromCharCode(pending[0] as number) : '';
      if (type === 'Q' || type === 'E') count();
      started = true;
      pending = pending.subarray(length);
    }
  };
}
