import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { ROOT } from '../../scripts/bootstrap/node.mjs';
import { startPostgres } from '../../scripts/bootstrap/postgres.mjs';
import { migrate } from '../../scripts/migrate.ts';
import { saveClient } from '../../src/oauth/clients/store.ts';
import { ownResourceServers, saveResourceServers } from '../../src/oauth/scopes/resource-servers.ts';
import { createAccount } from '../../src/people/store.ts';
import { openDatabase } from '../../src/platform/database.ts';
import { createLog } from '../../src/platform/log.ts';
import { at, atRate, median, openLoad } from './prune-load.ts';
import { deadShare, fill, type Size, sizes, tokenOf } from './prune-rows.ts';
import { soak } from './prune-soak.ts';

const HELP = `Usage: npm run bench:prune -- [--rows N] [--slices N] [--seconds S] [--rate N]
       npm run bench:prune -- --soak MINUTES [--rate N]

  On a PostgreSQL of its own, fills a million expired tokens among a million live ones, asks our server for introspection at
  a fixed rate, and lets it prune in every other slice of time. Prints the rows a second that left, p99 of introspection without
  and with pruning, dead rows, and what became of tables and indexes.

  --rows N        expired rows, and as many live ones (1000000)
  --slices N      pairs of slices, one without and one with pruning; the median of their ratios counts (16)
  --seconds S     how long a slice lasts (2)
  --rate N        requests a second (500; 200 in a soak)
  --soak MINUTES  issues, refreshes, revokes and introspects what lives for half a minute, and prints every 15 seconds what
                  tables, indexes and the server have grown to, and in the end whether they are flat
  --help          shows this
`;

const { values } = parseArgs({
  options: {
    help: { type: 'boolean' },
    rows: { type: 'string', default: '1000000' },
    slices: { type: 'string', default: '16' },
    seconds: { type: 'string', default: '2' },
    rate: { type: 'string' },
    soak: { type: 'string' },
  },
});

const ISSUER = 'http://localhost:3999';
const WARM_UP_SECONDS = 4;
const REPORT_EVERY_MS = 500;
const basic = (id: string, secret: string) => `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
const [CLIENT, API] = [basic('bench', 'b'.repeat(43)), basic('bench-api', 'a'.repeat(43))];

const say = (sentence: string) => process.stderr.write(`\r  ${sentence}`.padEnd(70));

async function main(): Promise<void> {
  const dataDir = join(ROOT, '.data/bench-prune');
  mkdirSync(dataDir, { recursive: true });
  const postgres = await startPostgres(dataDir, { flags: ['shared_buffers=512MB', 'synchronous_commit=off', 'max_connections=100'] });
  const client = new pg.Client({ connectionString: postgres.url });
  try {
    await client.connect();
    const accountId = await prepare(postgres.url);
    if (!values.soak) await fill(client, accountId, Number(values.rows), say);
    const server = await start(postgres.url);
    const load = openLoad(server.address, new URL(ISSUER).host);
    const rate = Number(values.rate ?? (values.soak ? 200 : 500));
    if (values.soak)
      await soak({ client, accountId, send: load.send, child: server.child, credentials: { CLIENT, API } }, Number(values.soak), rate, say);
    else await compare(client, server.child, rate, introspecting(load.send));
    await load.close();
    server.child.kill();
    await once(server.child, 'close');
  } finally {
    await client.end().catch(() => {});
    await postgres.stop();
  }
}

type Pair = { without: number[]; pruning: number[]; rows: number; seconds: number };

/** Alternates slices without and with pruning, and prints what came of it. */
async function compare(client: pg.Client, child: ChildProcess, rate: number, introspect: () => Promise<void>): Promise<void> {
  const before = await sizes(client);
  const load = () => atRate(rate, Number(values.seconds), introspect);
  await atRate(rate, WARM_UP_SECONDS, introspect);
  let dead = 0;
  const watching = setInterval(() => void deadShare(client, 'token').then((share) => (dead = Math.max(dead, share))), REPORT_EVERY_MS);
  const pairs: Pair[] = [];
  console.log(`\n${row('slices', 'p50 ms', 'p99 ms', 'pruning:', 'p50 ms', 'p99 ms', 'ratio', 'rows/s')}`);
  for (let n = 1; n <= Number(values.slices); n++) {
    say(`pair ${n} of ${values.slices}`);
    // Every other pair begins with pruning, so that what else the machine does meets both alike.
    const first = n % 2 ? await load() : undefined;
    const pruned = await whilePruning(child, load);
    if (!pruned) {
      console.log(`\rthe expired rows are gone after ${n - 1} pairs: ask for more --rows`.padEnd(80));
      break;
    }
    const pair = { ...pruned, without: first ?? (await load()) };
    pairs.push(pair);
    const [a, b] = [pair.without, pair.pruning].map((ms) => [at(ms, 0.5).toFixed(2), at(ms, 0.99).toFixed(2)]) as [string[], string[]];
    console.log(`\r${row(String(n), ...a, '', ...b, ratio(pair).toFixed(2), String(Math.round(pair.rows / pair.seconds)))}`);
  }
  clearInterval(watching);
  const sum = (of: (pair: Pair) => number) => pairs.reduce((total, pair) => total + of(pair), 0);
  const p99 = (of: (pair: Pair) => number[]) => median(pairs.map((pair) => at(of(pair), 0.99)));
  const [calm, busy] = [p99(({ without }) => without), p99(({ pruning }) => pruning)];
  console.log(`
rows a second              ${Math.round(sum(({ rows }) => rows) / sum(({ seconds }) => seconds))}
p99 of introspection       ${calm.toFixed(2)} ms without, ${busy.toFixed(2)} ms with pruning (medians of ${pairs.length} slices at ${rate} requests a second)
ratio of p99               ${median(pairs.map(ratio)).toFixed(2)} (median of the pairs), ${(busy / calm).toFixed(2)} (of the medians)
dead rows, at most         ${(dead * 100).toFixed(1)} %`);
  printSizes(before, await sizes(client));
}

/** @returns undefined when there was not enough left to prune for the whole slice. */
async function whilePruning(child: ChildProcess, load: () => Promise<number[]>): Promise<Omit<Pair, 'without'> | undefined> {
  child.send({ prune: true });
  const pruned = once(child, 'message') as Promise<[{ rows: number; seconds: number; failed?: string }]>;
  const early = pruned.then(() => true);
  const pruning = await load();
  const ended = await Promise.race([early, Promise.resolve(false)]);
  child.send({ prune: false });
  const [{ failed, rows, seconds }] = await pruned;
  if (failed) throw new Error(failed);
  return ended ? undefined : { pruning, rows, seconds };
}

const ratio = ({ without, pruning }: Pair) => at(pruning, 0.99) / at(without, 0.99);
const row = (name: string, ...cells: string[]) => name.padEnd(8) + cells.map((cell) => cell.padStart(10)).join('');

function printSizes(before: Size[], after: Size[]): void {
  const megabytes = (bytes: number | undefined) => `${((bytes ?? 0) / 2 ** 20).toFixed(1)} MB`.padStart(12);
  console.log(`\n${'size'.padEnd(36)}${'before'.padStart(12)}${'after'.padStart(12)}`);
  for (const { name, bytes } of before.filter((size) => size.bytes > 2 ** 20))
    console.log(`${name.padEnd(36)}${megabytes(bytes)}${megabytes(after.find((size) => size.name === name)?.bytes)}`);
  const aRow = (named: (name: string) => boolean) =>
    Math.round(before.filter(({ name }) => named(name)).reduce((sum, { bytes }) => sum + bytes, 0) / (2 * Number(values.rows)));
  console.log(
    `a token took ${aRow((name) => name === 'token')} bytes of table and ${aRow((name) => name.startsWith('token_'))} of indexes`,
  );
}

/** Asks for live tokens at random, so that all of the table is in use. */
function introspecting(send: ReturnType<typeof openLoad>['send']) {
  return async () => {
    const token = tokenOf(2 * Math.floor(Math.random() * Number(values.rows)) + 1);
    const { status, body } = await send('/oauth/introspect', { token }, API);
    if (status !== 200 || !body['active']) throw new Error(`a live token is answered ${status} ${JSON.stringify(body)}`);
  };
}

async function prepare(url: string): Promise<string> {
  await migrate(url);
  const database = openDatabase(url, createLog('silent'));
  await database.prisma.$executeRaw`truncate client, user_account, protocol_record cascade`;
  await saveResourceServers(database, ownResourceServers(ISSUER));
  const uses = {
    redirect_uris: ['https://client.example/cb'],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
  };
  const asks = { redirect_uris: [], grant_types: [], response_types: [], introspects: ISSUER };
  await database.transaction(saveClient({ client_id: 'bench', client_secret: 'b'.repeat(43), ...uses }));
  await database.transaction(saveClient({ client_id: 'bench-api', client_secret: 'a'.repeat(43), ...asks }));
  const { id } = await createAccount(database, { email: 'bench@people.example', username: 'bench', name: 'Bench', password: 'bench' });
  await database.close();
  return id;
}

async function start(url: string): Promise<{ child: ChildProcess; address: string }> {
  const env = {
    ...process.env,
    DATABASE_URL: url,
    ISSUER,
    DATA_DIR: join(ROOT, '.data/bench-prune'),
    NODE_ENV: 'development',
    LOG_LEVEL: 'silent',
  };
  const child = fork(join(import.meta.dirname, 'prune-server.ts'), { env });
  const [{ address }] = (await once(child, 'message')) as [{ address: string }];
  return { child, address };
}

if (values.help) process.stdout.write(HELP);
else await main();
