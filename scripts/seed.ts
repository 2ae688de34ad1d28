import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createAccount, normalizeEmail } from '../src/accounts/store.ts';
import { ownResourceServers, saveResourceServers } from '../src/clients/resource-servers.ts';
import { findClient, saveClient } from '../src/clients/store.ts';
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

/** @returns what demo.json has, and whether it was made now. @throws Error in production, where there is nothing to demonstrate. */
export async function seed(config: Config): Promise<{ demo: Demo; created: boolean }> {
  if (config.environment === 'production') throw new Error('demo data is refused in production');
  const file = join(config.dataDir, 'demo.json');
  const database = openDatabase(config.databaseUrl, createLog('silent'));
  try {
    const kept = await readDemo(file);
    if (kept && (await fits(database, kept))) return { demo: kept, created: false };
    const demo = await create(database, config);
    await writeFile(file, `${JSON.stringify(demo, null, 2)}\n`, { mode: 0o600 });
    return { demo, created: true };
  } finally {
    await database.close();
  }
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
  await saveClient(database.prisma, {
    client_id: DEMO_CLIENT,
    client_name: 'Demo app',
    client_secret: clientSecret,
    application_type: 'native',
    redirect_uris: ['http://127.0.0.1/callback', 'http://localhost/callback'],
    grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
    response_types: ['code'],
    scope: servers.flatMap(({ scopes }) => scopes.map(({ name }) => name)).join(' '),
  });
  await saveClient(database.prisma, {
    client_id: DEMO_RESOURCE_SERVER,
    client_name: 'Demo resource server',
    client_secret: resourceServerSecret,
    redirect_uris: [],
    grant_types: [],
    response_types: [],
    introspects: config.issuer,
  });
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

async function readDemo(file: string): Promise<Demo | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch {
    return undefined;
  }
}

/** A demo.json that was written for another database says nothing about this one. */
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
      const config = readConfig(process.env);
      const { created } = await seed(config);
      console.log(created ? `demo accounts are in ${join(config.dataDir, 'demo.json')}` : 'the demo accounts are there already');
    } catch (error) {
      console.error(`seed: ${(error as Error).message}`);
      process.exit(1);
    }
  }
}
