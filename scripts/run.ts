import { main, whyItCannotStart } from '../src/main.ts';
import { readConfig } from '../src/platform/config.ts';
import { migrate } from './migrate.ts';
import { demoPanel } from './panel.ts';
import { seed } from './seed.ts';

/** What `npm start` runs once there is a database: tables, demo accounts, server. Kept in one process, because starting another costs more than the work. */

try {
  const config = readConfig();
  const applied = await migrate(config.databaseUrl);
  if (applied.length) console.log(`  creating tables … ${applied.join(', ')}`);
  const seeded = config.environment === 'production' ? undefined : await seed(config);
  if (seeded?.created) console.log('  making demo accounts … done');
  await main();
  console.log(demoPanel({ issuer: config.issuer, demo: seeded?.demo }));
} catch (error) {
  console.error(whyItCannotStart(error));
  process.exit(1);
}
