import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { main, whyItCannotStart } from '../src/main.ts';
import { readConfig } from '../src/platform/config.ts';
import { isMigrated } from './migrate.ts';
import { demoPanel } from './panel.ts';
import { seed } from './seed.ts';

/** What `npm start` runs once there is a database: tables, demo accounts, server. Kept in one process, because starting another costs more than the work. */

try {
  const config = readConfig();
  await migrateAside(config.databaseUrl);
  const seeded = config.environment === 'production' ? undefined : await seed(config);
  if (seeded?.created) console.log('  making demo accounts … done');
  await main();
  console.log(demoPanel({ issuer: config.issuer, demo: seeded?.demo }));
} catch (error) {
  console.error(whyItCannotStart(error));
  process.exit(1);
}

/** In a process of its own, when there is something to apply: the engine's memory would stay with the server. */
async function migrateAside(databaseUrl: string): Promise<void> {
  if (await isMigrated(databaseUrl)) return;
  const { stdout } = await promisify(execFile)(process.execPath, [join(import.meta.dirname, 'migrate.ts')], {
    env: { ...process.env, DATABASE_URL: databaseUrl },
  });
  console.log(`  migrating … ${stdout.trim()}`);
}
