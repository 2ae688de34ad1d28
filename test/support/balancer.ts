import { once } from 'node:events';
import { Agent, request as ask, createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { type TestProcess, waitUntil } from './processes.ts';

/** Where a process listens. */
export const portOf = (node: TestProcess) => Number(new URL(String(node.logged('listening')[0]?.['address'])).port);

export type Answer = { status: number; headers: IncomingMessage['headers']; body: string; reused: boolean };

/** One GET past the balancer, as it is answered. */
export async function get(port: number, path: string, agent: Agent | false = false, host = `localhost:${port}`): Promise<Answer> {
  const request = ask({ port, host: '127.0.0.1', path, agent, headers: { host } }).end();
  return read(request);
}

/** The answer to a request that was sent. */
export async function read(request: ReturnType<typeof ask>): Promise<Answer> {
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  let body = '';
  for await (const chunk of response.setEncoding('utf8')) body += chunk;
  return { status: response.statusCode as number, headers: response.headers, body, reused: request.reusedSocket };
}

/**
 * A balancer as they are: it asks /readyz ten times a second, keeps connections to each node, sends to nodes that are ready by turns, and never
 * sends a request a second time.
 */
export async function startBalancer(ports: number[], listenOn = 0) {
  const targets = new Map<number, { agent: Agent; ready: boolean }>();
  const add = (port: number) => void targets.set(port, { agent: new Agent({ keepAlive: true }), ready: false });
  for (const port of ports) add(port);
  let closed = false;
  const check = async () => {
    while (!closed) {
      await Promise.all(
        [...targets].map(async ([port, target]) => {
          target.ready = await get(port, '/readyz').then(
            ({ status }) => status === 200,
            () => false,
          );
        }),
      );
      await pause(100);
    }
  };
  const sees = (port: number) => waitUntil(() => targets.get(port)?.ready === true);
  const checking = check();
  let turn = 0;
  const server = createServer((near, answer) => {
    const ready = [...targets].filter(([, target]) => target.ready);
    const [port, target] = ready[turn++ % ready.length] ?? [];
    if (!port || !target) return void answer.writeHead(503, { 'retry-after': '1' }).end('no node is ready');
    const far = ask({ port, host: '127.0.0.1', method: near.method, path: near.url, headers: near.headers, agent: target.agent });
    far.on('error', (error: NodeJS.ErrnoException) => answer.writeHead(502).end(`the node did not answer: ${error.code}`));
    far.on('response', (response) => {
      const { connection: _, ...headers } = response.headers;
      response.pipe(answer.writeHead(response.statusCode as number, headers));
    });
    near.pipe(far);
  }).listen(listenOn, '127.0.0.1');
  await once(server, 'listening');
  await Promise.all(ports.map(sees));
  return {
    port: (server.address() as AddressInfo).port,
    add,
    sees,
    remove(port: number) {
      targets.get(port)?.agent.destroy();
      targets.delete(port);
    },
    close() {
      closed = true;
      server.close();
      server.closeAllConnections();
      for (const { agent } of targets.values()) agent.destroy();
      return checking;
    },
  };
}
