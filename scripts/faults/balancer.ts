import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startBalancer } from '../../test/support/balancer.ts';
import { ROOT } from '../bootstrap/node.mjs';

/** The balancer before the nodes: HAProxy with docs/operate/haproxy.cfg where it is installed, else the one of the tests. */
export type Balancer = { name: string; close(): Promise<void> };

/** @returns such as `HAProxy 2.6.12`; undefined where it is not installed. */
export function haproxyVersion(): string | undefined {
  try {
    const [, version] = /version ([\d.]+)/.exec(execFileSync('haproxy', ['-v'], { encoding: 'utf8' })) ?? [];
    return `HAProxy ${version}`;
  } catch {
    return undefined;
  }
}

/** @returns once it listens and every node is ready. */
export async function openBalancer(port: number, nodePorts: number[], folder: string): Promise<Balancer> {
  const name = haproxyVersion();
  if (name) return startHaproxy(name, port, nodePorts, folder);
  const own = await startBalancer(nodePorts, port);
  return { name: "the tests' own balancer", close: async () => void (await own.close()) };
}

async function startHaproxy(name: string, port: number, nodePorts: number[], folder: string): Promise<Balancer> {
  const documented = readFileSync(join(ROOT, 'docs/operate/haproxy.cfg'), 'utf8');
  const atHand = (_: string, name: string, node: string) => `server ${name} 127.0.0.1:${nodePorts[Number(node) - 1]}`;
  const configuration = documented.replace('bind :80', `bind 127.0.0.1:${port}`).replace(/server (node(\d)) \S+/g, atHand);
  const file = join(folder, 'haproxy.cfg');
  writeFileSync(file, configuration);
  let said = '';
  const child = spawn('haproxy', ['-db', '-f', file], { stdio: ['ignore', 'ignore', 'pipe'] });
  child.stderr.setEncoding('utf8').on('data', (text) => (said += text));
  await untilReady(child, port, () => said);
  return {
    name,
    async close() {
      if (child.exitCode !== null) return;
      child.kill('SIGTERM');
      await once(child, 'close');
    },
  };
}

async function untilReady(child: ChildProcess, port: number, said: () => string): Promise<void> {
  for (let attempts = 0; attempts < 200; attempts++) {
    if (child.exitCode !== null) throw new Error(`HAProxy ended: ${said()}`);
    const status = await fetch(`http://127.0.0.1:${port}/readyz`).then(
      (answer) => answer.status,
      () => 0,
    );
    if (status === 200) return;
    await pause(50);
  }
  throw new Error('HAProxy sees no node that is ready');
}
