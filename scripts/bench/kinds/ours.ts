import cluster from 'node:cluster';
import { once } from 'node:events';
import { createProvider } from '../../../src/authorization-server/provider.ts';
import { createResourcePolicy } from '../../../src/authorization-server/resource-servers.ts';
import { loadSigningKeys } from '../../../src/authorization-server/signing-keys.ts';
import { createClientCache } from '../../../src/clients/cache.ts';
import { ownResourceServers } from '../../../src/clients/resource-servers.ts';
import { readConfig } from '../../../src/platform/config.ts';
import { openDatabase } from '../../../src/platform/database.ts';
import { createLog } from '../../../src/platform/log.ts';
import { KeyRing } from '../../../src/platform/secrets.ts';
import { startServer } from '../../../src/server.ts';
import type { Served } from '../server.ts';
import { DIALECT } from './dialect.ts';
import { mintCodes } from './mint.ts';

/** Our server, as src/main.ts starts it; with BENCH_WORKERS above 1, as many of them behind one port. */
export async function serveOurs(): Promise<Served> {
  const config = { ...readConfig(), port: 0 };
  const log = createLog('silent');
  const database = openDatabase(config.databaseUrl, log);
  const workers = Number(process.env['BENCH_WORKERS'] ?? 1);
  const listens = workers > 1 && cluster.isPrimary ? await oneOf(workers) : (await startServer({ config, database, log })).address;
  if (cluster.isWorker) process.send?.({ listens });
  // A second provider, to mint with: the one that serves is nobody's business.
  const minting = createProvider({
    config,
    database,
    clients: createClientCache(database),
    log,
    jwks: await loadSigningKeys(database, new KeyRing(config.dataEncryptionKeys)),
    resources: createResourcePolicy(ownResourceServers(config.issuer), config.issuer),
  });
  return { address: listens, dialect: DIALECT, mint: (count, account) => mintCodes(minting, count, account) };
}

/** @returns where they listen, all in one place. */
async function oneOf(workers: number): Promise<string> {
  cluster.setupPrimary({ args: process.argv.slice(2) });
  const addresses = await Promise.all(
    Array.from({ length: workers }, async () => ((await once(cluster.fork(), 'message')) as [{ listens: string }])[0].listens),
  );
  return addresses[0] as string;
}
