import { createCounts } from '../../src/audit/counts.ts';
import { prune } from '../../src/oauth/store/prune.ts';
import { readConfig } from '../../src/platform/config.ts';
import { openDatabase } from '../../src/platform/database.ts';
import { createLog } from '../../src/platform/log.ts';
import { startServer } from '../../src/server.ts';

/**
 * Our server under load, as a process of its own. Over IPC `prune: true` starts pruning, turn after turn while there is something to
 * delete, and `prune: false` stops it. The server answers with the number of deleted rows and the time.
 */

const config = readConfig();
const log = createLog('silent');
const database = openDatabase(config.databaseUrl, log);
const { address } = await startServer({ config: { ...config, port: 0 }, database, log, counts: createCounts() });
let ending = new AbortController();

process.on('message', async (told: { prune: boolean }) => {
  ending.abort();
  if (!told.prune) return;
  ending = new AbortController();
  const begun = performance.now();
  try {
    const rows = await prune(database, ending.signal);
    process.send?.({ rows, seconds: (performance.now() - begun) / 1000 });
  } catch (error) {
    process.send?.({ failed: (error as Error).message });
  }
});
process.on('unhandledRejection', (error) => process.send?.({ failed: `unhandled: ${error}` }));
process.on('disconnect', () => process.exit());
process.send?.({ address });
