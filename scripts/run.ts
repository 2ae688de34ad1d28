import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { main, whyItCannotStart } from '../src/main.ts';
import { readConfig } from '../src/platform/config.ts';
import { onceDatabaseAnswers } from '../src/platform/database-start.ts';
import { createLog } from '../src/platform/log.ts';
import { isMigrated } from './migrate.ts';
import { demoPanel } from './panel.ts';
import { currentDemo } from './seed.ts';

/**
 * What `npm start` runs once there is a database: tables, demo accounts, server. What a first start alone needs is done
 * by processes of their own, so that its memory does not stay with the server.
 */
try {
  const config = readConfig();
  const waiting = { log: createLog(config.logLevel), waitSeconds: config.databaseWaitSeconds };
  const migrated = await onceDatabaseAnswers(() => isMigrated(config.databaseDirectUrl), waiting);
  if (!migrated) console.log(`  migrating … ${await aside('migrate.ts')}`);
  if (config.environment === 'production') await main();
  else {
    if (!(await currentDemo(config))) console.log(`  seeding … ${await aside('seed.ts')}`);
    await main();
    console.log(demoPanel({ issuer: config.issuer, demo: await currentDemo(config) }));
  }
} catch (error) {
  console.error(whyItCannotStart(error));
  process.exit(1);
}

/** @returns what the script says when it is done. @throws Error with what it says when it cannot. */
async function aside(script: string): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [join(import.meta.dirname, script)]);
  return stdout.trim();
}
