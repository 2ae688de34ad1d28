import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** The wire to the database: it can be cut and mended, and tells the statements that go over it. */
export async function createWire(databaseUrl: string) {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  let cut = false;
  let statements = 0;
  const texts = new Set<string>();
  const server = createServer((near) => {
    if (cut) return void near.resetAndDestroy();
    const far = connect(Number(target.port), target.hostname);
    near.on(
      'data',
      readStatements(
        () => statements++,
        (text) => texts.add(text),
      ),
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
    /** The text of each that was sent to be parsed, once. */
    texts: () => [...texts],
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

/** Reads the frontend's messages (PostgreSQL protocol 3.0): each Query (Q) and each Execute (E) is a statement; Parse (P) and Query have its text. */
function readStatements(count: () => void, hear: (text: string) => void): (chunk: Buffer) => void {
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
      if (type === 'Q') hear(pending.toString('utf8', 5, length - 1));
      if (type === 'P') {
        const name = pending.indexOf(0, 5) + 1;
        hear(pending.toString('utf8', name, pending.indexOf(0, name)));
      }
      started = true;
      pending = pending.subarray(length);
    }
  };
}
