import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { freePort } from '../../scripts/bootstrap/free-port.mjs';
import { type Counts, createCounts } from '../../src/audit/counts.ts';
import { type ClientMetadata, saveClient } from '../../src/oauth/clients/store.ts';
import { ownResourceServers, saveResourceServers } from '../../src/oauth/scopes/resource-servers.ts';
import { createAccount, type NewAccount } from '../../src/people/store.ts';
import type { Config } from '../../src/platform/config.ts';
import { type Database, openDatabase } from '../../src/platform/database.ts';
import { createLog, type Log } from '../../src/platform/log.ts';
import { fetchThrough } from '../../src/platform/outgoing.ts';
import { randomSecret } from '../../src/platform/secrets.ts';
import { startServer } from '../../src/server.ts';
import { throughPooler } from './pooler.ts';

export { freePort };

/**
 * A real server on a real database, for one test file: the database is cloned from the template that scripts/test.mjs made.
 *
 *     const server = await startTestServer();
 *     after(() => server.close());
 */
export type TestServer = TestSite & {
  config: Config;
  database: Database;
  /** Where administration listens, if that is elsewhere. */
  adminAddress: string | undefined;
  /** What happened there and is not written yet: nobody writes it by itself. */
  counts: Counts;
  /** Writes what features recorded of the library's events, such as the use of PKCE: nobody writes it by itself. */
  write(): Promise<unknown>;
  /** The same issuer and database served by another application, as a second node behind a balancer. */
  secondNode(overrides?: Partial<Config>): Promise<TestServer>;
};

/** What the steps of a flow need to know of whoever serves them: this process, or one of several (see processes.ts). */
export type TestSite = TestStock & {
  issuer: string;
  /** Everything logged so far. */
  logLines(): string[];
  /** How requests reach it. */
  send: typeof fetch;
  close(): Promise<void>;
};

/** People, clients, and what is stored of them, past the application. */
export type TestStock = {
  /** A connection past the application, for asserting what is stored. */
  sql(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
  createPerson(person?: Partial<NewAccount>): Promise<{ id: string; email: string; password: string; username: string }>;
  createClient(metadata?: Partial<ClientMetadata>): Promise<{ client_id: string; client_secret: string; redirect_uri: string }>;
};

export const REDIRECT_URI = 'https://client.example/callback';

/** @param database given when the application reaches it in another way than the test does: `overrides.databaseUrl` says how. */
export async function startTestServer(overrides: Partial<Config> = {}, own?: TestDatabase): Promise<TestServer> {
  const { url, drop } = own ?? (await createDatabase());
  const port = await freePort();
  const config: Config = {
    environment: 'test',
    port,
    host: '127.0.0.1',
    adminPort: undefined,
    adminHost: '127.0.0.1',
    adminOrigin: overrides.adminPort === undefined ? undefined : `http://localhost:${overrides.adminPort}`,
    workers: 1,
    drainSeconds: 0,
    issuer: `http://localhost:${port}`,
    databaseUrl: url,
    databaseDirectUrl: overrides.databaseUrl ?? url,
    databaseWaitSeconds: 0,
    dataDir: '/nowhere',
    logLevel: 'info',
    trustedProxies: [],
    smtpUrl: undefined,
    mailFrom: 'Munjigi <no-reply@munjigi.example>',
    registration: 'open',
    registrationLimit: 60,
    registrationNetworks: [],
    outgoingAllow: [],
    // Tests ask more in a minute than anybody would.
    requestLimits: { authorize: 1e6, par: 1e6, device: 1e6, token: 1e6 },
    pkce: 'public',
    keyDelayMinutes: 60,
    signingKeyDays: 90,
    termsUrl: undefined,
    privacyUrl: undefined,
    supportUrl: undefined,
    cookieKeys: [randomSecret()],
    dataEncryptionKeys: [new Uint8Array(randomBytes(32))],
    ...overrides,
  };
  const lines: string[] = [];
  const log: Log = createLog(config.logLevel, { write: (line: string) => void lines.push(line) });
  const database = openDatabase(throughPooler(config.databaseUrl), log, config.databaseDirectUrl);
  await saveResourceServers(database, ownResourceServers(config.issuer));
  const counts = createCounts();
  const server = await startServer({ config, database, log, counts });
  const side = new pg.Pool({ connectionString: url, max: 2 });
  // A pool has ended before its connections have: those that the database is dropped under say so, and nobody is left to hear it.
  side.on('error', () => {});

  return {
    ...stock(database, side),
    issuer: config.issuer,
    config,
    database,
    adminAddress: server.adminAddress,
    counts,
    write: () => server.write(),
    logLines: () => lines,
    send: fetch,
    async secondNode(more = {}) {
      const other = openDatabase(throughPooler(more.databaseUrl ?? url), log, more.databaseDirectUrl ?? url);
      const ofNode = { ...config, port: 0, ...more };
      const node = await startServer({ config: ofNode, database: other, log, counts });
      return {
        ...this,
        config: ofNode,
        adminAddress: node.adminAddress,
        send: fetchThrough(() => node.address, config.issuer),
        write: () => node.write(),
        async close() {
          await node.close();
          await other.close();
        },
      };
    },
    async close() {
      await server.close();
      await database.close();
      await side.end();
      await drop();
    },
  };
}

/** @param side a connection past the application. */
export function stock(database: Database, side: pg.Pool): TestStock {
  return {
    sql: async (text, values) => (await side.query(text, values)).rows,
    async createPerson(person = {}) {
      const name = `p${randomSecret().slice(0, 8)}`.toLowerCase();
      const password = randomSecret().slice(0, 16);
      const account = await createAccount(database, {
        email: `${name}@people.example`,
        username: name,
        name: '홍길동',
        password,
        emailVerified: true,
        ...person,
      });
      return { id: account.id, email: account.email, username: account.username, password: person.password ?? password };
    },
    async createClient(metadata = {}) {
      const client: ClientMetadata & { client_secret: string; redirect_uris: string[] } = {
        client_id: `c-${randomSecret().slice(0, 12)}`,
        client_secret: randomSecret(),
        client_name: 'Test app',
        redirect_uris: [REDIRECT_URI],
        grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
        response_types: ['code'],
        ...metadata,
      };
      const secretless = ['none', 'private_key_jwt'].includes(String(client['token_endpoint_auth_method']));
      await database.transaction(saveClient(secretless ? { ...client, client_secret: undefined } : client));
      return { client_id: client.client_id, client_secret: client.client_secret, redirect_uri: client.redirect_uris[0] ?? REDIRECT_URI };
    },
  };
}

export type TestDatabase = { url: string; drop(): Promise<void> };

/** A database of one's own, cloned from the migrated template. */
export async function createDatabase(): Promise<TestDatabase> {
  const base = process.env['TEST_DATABASE_URL'];
  if (!base) throw new Error('TEST_DATABASE_URL is not set: run the tests with npm test, which brings a database');
  const name = `test_${randomBytes(6).toString('hex')}`;
  const onServer = async (statement: string) => {
    const client = new pg.Client({ connectionString: base });
    await client.connect();
    await client.query(statement).finally(() => client.end());
  };
  await onServer(`create database ${name} template munjigi_template`);
  const url = new URL(base);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => onServer(`drop database if exists ${name} with (force)`) };
}
