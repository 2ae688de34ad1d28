import { freePort } from '../../../scripts/bootstrap/free-port.mjs';
import { createCounts, keepCountsWritten } from '../../../src/audit/counts.ts';
import { FEATURES } from '../../../src/features.ts';
import { createClientCache } from '../../../src/oauth/clients/cache.ts';
import { NO_NAMES } from '../../../src/oauth/clients/verified-names.ts';
import { loadSigningKeys } from '../../../src/oauth/keys/signing-keys.ts';
import { createProvider } from '../../../src/oauth/provider.ts';
import { createApiCatalog } from '../../../src/oauth/scopes/api-catalog.ts';
import { createResourcePolicy } from '../../../src/oauth/scopes/resource-policy.ts';
import { ownResourceServers } from '../../../src/oauth/scopes/resource-servers.ts';
import { readConfig } from '../../../src/platform/config.ts';
import { openDatabase } from '../../../src/platform/database.ts';
import { createLog, type Log } from '../../../src/platform/log.ts';
import { KeyRing } from '../../../src/platform/secrets.ts';
import { everyFewSeconds } from '../../../src/platform/write-behind.ts';
import { startServer } from '../../../src/server.ts';
import { superviseWorkers } from '../../../src/workers.ts';
import type { Served } from '../server.ts';
import { DIALECT } from './dialect.ts';
import { mintCodes } from './mint.ts';

/** Our server, as src/main.ts starts it: in this process, or as many workers as WEB_CONCURRENCY asks for. */
export async function serveOurs(): Promise<Served> {
  const config = { ...readConfig(), port: 0 };
  const log = createLog('silent');
  const database = openDatabase(config.databaseUrl, log);
  const counts = createCounts();
  const address = config.workers > 1 ? await withWorkers(config.workers, log) : await alone();
  // A second provider makes the codes, because the serving one is private to the server.
  const keyRing = new KeyRing(config.dataEncryptionKeys);
  const minting = createProvider({
    config,
    database,
    keyRing,
    clients: createClientCache(database),
    names: NO_NAMES,
    log,
    counts,
    jwks: await loadSigningKeys(database, keyRing),
    resources: createResourcePolicy(createApiCatalog(ownResourceServers(config.issuer)), config.issuer),
    features: FEATURES,
  });
  return { address, dialect: DIALECT, mint: (count, account) => mintCodes(minting, count, account) };

  async function alone(): Promise<string> {
    keepCountsWritten({ counts, database, log });
    const server = await startServer({ config, database, log, counts });
    everyFewSeconds(server.write);
    return server.address;
  }
}

/** @returns where they listen, all in one place. */
async function withWorkers(count: number, log: Log): Promise<string> {
  const port = await freePort();
  process.env['PORT'] = String(port);
  await superviseWorkers(count, log);
  return `http://127.0.0.1:${port}`;
}
