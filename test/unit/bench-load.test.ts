import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { after, describe, it } from 'node:test';
import { createLoad } from '../../packages/bench/load.ts';

const servers: Server[] = [];
after(() => {
  for (const server of servers) server.close();
});

/** A server that writes these bytes for each request it gets. */
async function answering(write: (socket: Socket, request: string) => void): Promise<string> {
  const server = createServer((socket) => socket.on('data', (chunk) => write(socket, chunk.toString()))).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const requests = ['one', 'two', 'three', 'four'].map((path) => Buffer.from(`GET /${path} HTTP/1.1\r\n\r\n`));
const run = (address: string) => createLoad(address, 2).run(requests, { seconds: 60, keepBodies: true });

describe('The load generator of the bench', () => {
  it('sends each request once and keeps each answer', async () => {
    const address = await answering((socket, request) => {
      const path = request.split(' ')[1] as string;
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${path.length}\r\n\r\n${path}`);
    });
    const slice = await run(address);
    assert.deepEqual(slice.bodies.toSorted(), ['/four', '/one', '/three', '/two']);
    assert.equal(slice.requests, 4);
    assert.equal(slice.latenciesMs.length, 4);
  });

  it('waits for the rest of an answer that comes in pieces', async () => {
    const address = await answering((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-le');
      setImmediate(() => socket.write('ngth: 6\r\n\r\nabc'));
      setTimeout(() => socket.write('def'), 20);
    });
    assert.deepEqual(new Set((await run(address)).bodies), new Set(['abcdef']));
  });

  it('puts an answer in chunks together', async () => {
    const address = await answering((socket) =>
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndéf\r\n0\r\n\r\n'),
    );
    assert.deepEqual(new Set((await run(address)).bodies), new Set(['abcdéf']));
  });

  it('counts no answer but 200', async () => {
    const address = await answering((socket) => socket.write('HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno'));
    await assert.rejects(run(address), /answered 401/);
  });

  it('fails on an answer that goes on after its end, or does not say where that is', async () => {
    for (const [answer, complaint] of [
      ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\ntoo long', /longer than it says/],
      ['HTTP/1.1 200 OK\r\n\r\n', /how long it is/],
    ] as const)
      await assert.rejects(run(await answering((socket) => socket.write(answer))), complaint);
  });

  it('fails when the server hangs up', async () => {
    await assert.rejects(run(await answering((socket) => socket.destroy())), /closed a connection|ECONNRESET/);
  });
});
