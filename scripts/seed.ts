import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findClient, saveClient } from '../src/oauth/clients/store.ts';
import { adminApi, ownResourceServers, saveResourceServers } from '../src/oauth/scopes/resource-servers.ts';
import { normalizeEmail } from '../src/people/email-address.ts';
import { createAccount } from '../src/people/store.ts';
import { type Config, readConfig } from '../src/platform/config.ts';
import { type Database, openDatabase } from '../src/platform/database.ts';
import { createLog } from '../src/platform/log.ts';
import { randomSecret } from '../src/platform/secrets.ts';
import type { Demo } from './panel.ts';

const HELP = `Usage: node scripts/seed.ts

  Makes, once, a demo user, an admin, a demo client and a demo resource server with random passwords,
  and writes them to DATA_DIR/demo.json. Refused with NODE_ENV=production.

  --help  shows this
`;

const DEMO_CLIENT = 'demo-client';
const DEMO_RESOURCE_SERVER = 'demo-resource-server';
const PEOPLE = {
  demo: { email: 'demo@munjigi.example', username: 'demo', name: '김데모' },
  admin: { email: 'admin@munjigi.example', username: 'admin', name: '이관리' },
};

/** @returns what demo.json has, when the database has it too: one that was written for another database says nothing about this one. */
export async function currentDemo(config: Config): Promise<Demo | undefined> {
  const demo = await readDemo(config);
  return demo && withDatabase(config, async (database) => ((await fits(database, demo)) ? demo : undefined));
}

/** Creates the demo data again. */
async function seed(config: Config): Promise<void> {
  const demo = await withDatabase(config, (database) => create(database, config));
  await writeFile(demoFile(config), `${JSON.stringify(demo, null, 2)}\n`, { mode: 0o600 });
}

const demoFile = (config: Config) => join(config.dataDir, 'demo.json');

async function withDatabase<T>(config: Config, work: (database: Database) => Promise<T>): Promise<T> {
  const database = openDatabase(config.databaseDirectUrl, createLog('silent'));
  return work(database).finally(() => database.close());
}

async function create(database: Database, config: Config): Promise<Demo> {
  const [password, adminPassword, clientSecret, resourceServerSecret] = [
    randomSecret().slice(0, 16),
    randomSecret().slice(0, 16),
    randomSecret(),
    randomSecret(),
  ];
  // What an earlier seed made here, whose passwords nobody has any more.
  await database.prisma.user.deleteMany({ where: { email: { in: Object.values(PEOPLE).map(({ email }) => normalizeEmail(email)) } } });
  await database.prisma.client.deleteMany({ where: { id: { in: [DEMO_CLIENT, DEMO_RESOURCE_SERVER] } } });
  await createAccount(database, { ...PEOPLE.demo, password, emailVerified: true });
  await createAccount(database, { ...PEOPLE.admin, password: adminPassword, emailVerified: true, role: 'admin' });
  const servers = ownResourceServers(config.issuer);
  await saveResourceServers(database, servers);
  await database.transaction(
    saveClient({
      client_id: DEMO_CLIENT,
      client_name: 'Demo app',
      client_secret: clientSecret,
      application_type: 'native',
      redirect_uris: ['http://127.0.0.1/callback', 'http://localhost/callback'],
      grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
      response_types: ['code'],
      scope: servers
        .filter(({ identifier }) => identifier !== adminApi(config.issuer))
        .flatMap(({ scopes }) => scopes.map(({ name }) => name))
        .join(' '),
    }),
  );
  await database.transaction(
    saveClient({
      client_id: DEMO_RESOURCE_SERVER,
      client_name: 'Demo resource server',
      client_secret: resourceServerSecret,
      redirect_uris: [],
      grant_types: [],
      response_types: [],
      introspects: config.issuer,
    }),
  );
  return {
    email: PEOPLE.demo.email,
    password,
    adminEmail: PEOPLE.admin.email,
    adminPassword,
    clientId: DEMO_CLIENT,
    clientSecret,
    resourceServerId: DEMO_RESOURCE_SERVER,
    resourceServerSecret,
  };
}

async function readDemo(config: Config): Promise<Demo | undefined> {
  try {
    return JSON.parse(await readFile(demoFile(config), 'utf8'));
  } catch {
    return undefined;
  }
}

async function fits(database: Database, demo: Demo): Promise<boolean> {
  const [user, client] = await Promise.all([
    database.prisma.user.count({ where: { email: demo.email } }),
    findClient(database, demo.clientId),
  ]);
  return user > 0 && client !== undefined;
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { help: { type: 'boolean' } } });
  if (values.help) process.stdout.write(HELP);
  else {
    try {
      const config = readConfig();
      if (config.environment === 'production') throw new Error('demo data is refused in production');
      const found = await currentDemo(config);
      if (!found) await seed(config);
      console.log(found ? 'the demo accounts are there already' : `demo accounts are in ${demoFile(config)}`);
    } catch (error) {
      console.error(`seed: ${(error as Error).message}`);
      process.exit(1);
    }
  }
}
