import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Koa from 'koa';
import { type Adapter, Provider } from 'oidc-provider';
import { createConfiguration } from '../../src/authorization-server/configuration.ts';
import { createProvider } from '../../src/authorization-server/provider.ts';
import { createResourcePolicy } from '../../src/authorization-server/resource-servers.ts';
import { loadSigningKeys } from '../../src/authorization-server/signing-keys.ts';
import { createClientCache } from '../../src/clients/cache.ts';
import { ownResourceServers } from '../../src/clients/resource-servers.ts';
import { type Config, readConfig } from '../../src/platform/config.ts';
import { type Database, openDatabase } from '../../src/platform/database.ts';
import { createLog } from '../../src/platform/log.ts';
import { digest, KeyRing } from '../../src/platform/secrets.ts';
import { startServer } from '../../src/server.ts';

/**
 * One server under load, a process of its own: ours, or the library as it comes (in memory, or with the adapter that most people
 * write: a row a model through Prisma's client). All three have the same configuration, keys and clients.
 * Told over IPC to mint codes, which in life take a person.
 */

const CLIENT = {
  client_id: 'bench',
  client_secret: 'b'.repeat(43),
  redirect_uris: ['https://client.example/cb'],
  grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
  response_types: ['code'],
};
const API = { client_id: 'bench-api', client_secret: 'a'.repeat(43), redirect_uris: [], grant_types: [], response_types: [] };

const kind = process.argv[2] as 'ours' | 'memory' | 'prisma';
const config = readConfig();
const log = createLog('silent');
const database = openDatabase(config.databaseUrl, log);
const { provider, address } =
  kind === 'ours' ? await ours() : await bare(config, database, kind === 'memory' ? inMemory() : rowAModel(database));

process.on('message', async ({ mint, account }: { mint: number; account: string }) =>
  process.send?.({ codes: await mintCodes(mint, account) }),
);
for (const end of ['disconnect', 'SIGTERM'] as const) process.on(end as 'disconnect', () => process.exit());
process.send?.({ address });

async function ours() {
  // A second provider, to mint with: the one that serves is nobody's business.
  const minting = createProvider({
    config,
    database,
    clients: createClientCache(database),
    log,
    jwks: (await loadSigningKeys(database, new KeyRing(config.dataEncryptionKeys))) as never,
    resources: createResourcePolicy(ownResourceServers(config.issuer), config.issuer),
  });
  return { provider: minting, address: (await startServer({ config: { ...config, port: 0 }, database, log })).address };
}

/** The library, mounted as its documentation says, and nothing around it. */
async function bare(own: Config, postgres: Database, adapter: (model: string) => Adapter) {
  const jwks = await loadSigningKeys(postgres, new KeyRing(own.dataEncryptionKeys));
  const configuration = createConfiguration({
    config: own,
    database: postgres,
    clients: createClientCache(postgres),
    jwks: jwks as never,
    resources: createResourcePolicy(ownResourceServers(own.issuer), own.issuer),
  });
  const library = new Provider(own.issuer, {
    ...configuration,
    adapter,
    findAccount: async (_ctx: unknown, sub: string) => ({
      accountId: sub,
      claims: async () => ({ sub, name: 'Bench', preferred_username: 'bench' }),
    }),
    clients: [CLIENT, { ...API, introspects: own.issuer }] as never,
  });
  const app = new Koa();
  for (const middleware of library.middleware) app.use(middleware as never);
  const server = createServer(app.callback());
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return { provider: library, address: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

async function mintCodes(count: number, account: string): Promise<string[]> {
  const client = await provider.Client.find(CLIENT.client_id);
  const one = async () => {
    const grant = new provider.Grant({ accountId: account, clientId: CLIENT.client_id });
    grant.addOIDCScope('openid profile offline_access');
    const grantId = await grant.save();
    return new provider.AuthorizationCode({
      accountId: account,
      client,
      grantId,
      gty: 'authorization_code',
      redirectUri: CLIENT.redirect_uris[0],
      scope: 'openid profile offline_access',
      codeChallenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
      codeChallengeMethod: 'S256',
      authTime: Math.floor(Date.now() / 1000),
    } as never).save();
  };
  const codes: string[] = [];
  while (codes.length < count) codes.push(...(await Promise.all(Array.from({ length: Math.min(50, count - codes.length) }, one))));
  return codes;
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
        if (payload.grantId) members.set(payload.grantId, [...(members.get(payload.grantId) ?? []), key(id)]);
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
        await prisma.protocolRecord.deleteMany({ where: { payload: { path: ['grantId'], equals: grantId } } });
      },
    } as Adapter;
  };
}
