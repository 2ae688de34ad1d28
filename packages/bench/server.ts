import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import type { Dialect } from './operations.ts';

/**
 * One server under load, as a process of its own: `server.ts KIND`, with the configuration in the environment. Over IPC it says where it
 * listens and how clients reach it. It makes codes on request, which otherwise need a user, and records a profile.
 */

/** What a kind of server is: it listens, and makes codes as its authorization endpoint would. */
export type Served = {
  address: string;
  dialect: Dialect;
  /** Operations that it has not. */
  lacks?: string[];
  mint(count: number, account: string): Promise<string[]>;
};

export type Order = { order: 'mint'; count: number; account: string } | { order: 'profile' } | { order: 'profiled'; file: string };

const KINDS: Record<string, () => Promise<Served>> = {
  ours: async () => (await import('./kinds/ours.ts')).serveOurs(),
  memory: async () => (await import('./kinds/library.ts')).serveLibrary('memory'),
  prisma: async () => (await import('./kinds/library.ts')).serveLibrary('prisma'),
  'oauth2-server': async () => (await import('./peers/oauth2-server.ts')).serveOAuth2Server(),
  'better-auth': async () => (await import('./peers/better-auth.ts')).serveBetterAuth(),
};

const { address, dialect, lacks = [], mint } = await (KINDS[process.argv[2] as string] as () => Promise<Served>)();
const inspector = new Session();

process.on('message', async (order: Order) => process.send?.(await obey(order)));
for (const end of ['disconnect', 'SIGTERM'] as const) process.on(end as 'disconnect', () => process.exit());
process.send?.({ address, dialect, lacks });

async function obey(order: Order): Promise<unknown> {
  switch (order.order) {
    case 'mint':
      return mint(order.count, order.account);
    case 'profile':
      inspector.connect();
      await inspector.post('Profiler.enable');
      await inspector.post('Profiler.setSamplingInterval', { interval: 200 });
      await inspector.post('Profiler.start');
      return true;
    case 'profiled': {
      const { profile } = await inspector.post('Profiler.stop');
      writeFileSync(order.file, JSON.stringify(profile));
      return true;
    }
  }
}
