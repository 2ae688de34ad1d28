import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Koa from 'koa';
import { type Adapter, Provider } from 'oidc-provider';
import { FEATURES } from '../../../src/features.ts';
import { createClientCache } from '../../../src/oauth/clients/cache.ts';
import { NO_NAMES } from '../../../src/oauth/clients/verified-names.ts';
import { createConfiguration } from '../../../src/oauth/configuration.ts';
import { loadSigningKeys } from '../../../src/oauth/keys/signing-keys.ts';
import { createApiCatalog } from '../../../src/oauth/scopes/api-catalog.ts';
import { createResourcePolicy } from '../../../src/oauth/scopes/resource-policy.ts';
import { ownResourceServers } from '../../../src/oauth/scopes/resource-servers.ts';
import { readConfig } from '../../../src/platform/config.ts';
import { type Database, openDatabase } from '../../../src/platform/database.ts';
import { createLog } from '../../../src/platform/log.ts';
import { digest, KeyRing } from '../../../src/platform/secrets.ts';
import { API, CLIENT, PERSON } from '../fixtures.ts';
import type { Served } from '../server.ts';
import { DIALECT } from './dialect.ts';
import { mintCodes } from './mint.ts';

/**
 * The library mounted as its documentation says, with nothing around it. It has our configuration, keys and clients.
 * It stores in memory, or through the adapter that most people write: one row for each model, by Prisma's client.
 */
export async function serveLibrary(storage: 'memory' | 'prisma'): Promise<Served> {
  const config = readConfig();
  const database = openDatabase(config.databaseUrl, createLog('silent'));
  const keyRing = new KeyRing(config.dataEncryptionKeys);
  const jwks = await loadSigningKeys(database, keyRing);
  const configuration = createConfiguration({
    config,
    database,
    keyRing,
    clients: createClientCache(database),
    names: NO_NAMES,
    jwks: jwks as never,
    resources: createResourcePolicy(createApiCatalog(ownResourceServers(config.issuer)), config.issuer),
    features: FEATURES,
  });
  const library = new Provider(config.issuer, {
    ...configuration,
    adapter: storage === 'memory' ? inMemory() : rowAModel(database),
    findAccount: async (_ctx: unknown, sub: string) => ({
      accountId: sub,
      claims: async () => ({ sub, name: PERSON.name, preferred_username: PERSON.username }),
    }),
    clients: [CLIENT, { ...API, introspects: config.issuer }] as never,
  });
  const app = new Koa();
  for (const middleware of library.middleware) app.use(middleware as never);
  const server = createServer(app.callback());
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { address, dialect: DIALECT, mint: (count, account) => mintCodes(library, count, account) };
}

/** Maps and nothing else: the least that storage can cost. */
function inMemory(): (model: string) => Adapter {
  const rows = new Map<string, Record<string, unknown>>();
  const members = new Map<string, string[]>();
  return (model) => {
    const key = (id: string) => `${model}:${id}`;
    return {
      async upsert(id, payload) {
        rows.set(key(id), payload as never);
        if (!payload.grantId) return;
        const siblings = members.get(payload.grantId);
        if (siblings) siblings.push(key(id));
        else members.set(payload.grantId, [key(id)]);
      },
      find: async (id) => rows.get(key(id)),
      findByUid: async () => undefined,
      findByUserCode: async () => undefined,
      async consume(id) {
        const row = rows.get(key(id));
        if (row) row['consumed'] = Math.floor(Date.now() / 1000);
      },
      async destroy(id) {
        rows.delete(key(id));
      },
      async revokeByGrantId(grantId) {
        for (const member of members.get(grantId) ?? []) rows.delete(member);
        members.delete(grantId);
      },
    } as Adapter;
  };
}

/** An adapter that stores payloads as JSON needs this index: without it, revocation reads the whole table. */
export const GRANT_INDEX = `create index on protocol_record ((payload->>'grantId'))`;

/** The adapter that examples show: find, upsert and delete one row by its id, as Prisma's client does it. */
function rowAModel({ prisma }: Database): (model: string) => Adapter {
  return (model) => {
    const where = (id: string) => ({ kind_id: { kind: 'Interaction' as const, id: digest(`${model}:${id}`) } });
    return {
      async upsert(id, payload, expiresIn) {
        const data = { payload: payload as never, expiresAt: expiresIn ? new Date(Date.now() + expiresIn * 1000) : null };
        await prisma.protocolRecord.upsert({ where: where(id), create: { ...where(id).kind_id, ...data }, update: data });
      },
      async find(id) {
        const row = await prisma.protocolRecord.findUnique({ where: where(id) });
        return row ? { ...(row.payload as object), ...(row.consumedAt ? { consumed: true } : {}) } : undefined;
      },
      findByUid: async () => undefined,
      findByUserCode: async () => undefined,
      async consume(id) {
        await prisma.protocolRecord.update({ where: where(id), data: { consumedAt: new Date() } });
      },
      async destroy(id) {
        await prisma.protocolRecord.deleteMany({ where: where(id).kind_id });
      },
      async revokeByGrantId(grantId) {
        await prisma.$executeRaw`delete from protocol_record where payload->>'grantId' = ${grantId}`;
      },
    } as Adapter;
  };
}
