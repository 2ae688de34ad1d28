import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Pool } from 'undici';
import { createAccount } from '../../src/accounts/store.ts';
import { ownResourceServers, saveResourceServers } from '../../src/clients/resource-servers.ts';
import { saveClient } from '../../src/clients/store.ts';
import { openDatabase } from '../../src/platform/database.ts';
import { createLog } from '../../src/platform/log.ts';
import { ROOT } from '../bootstrap/node.mjs';
import { startPostgres } from '../bootstrap/postgres.mjs';
import { migrate } from '../migrate.ts';

const HELP = `Usage: npm run bench -- [--rounds N] [--seconds S] [--connections N] [--only NAME]

  Runs our server, the library with an in-memory adapter, and the library with a plain Prisma adapter, one at a time and
  interleaved, on a PostgreSQL of its own, and prints requests a second, latency, CPU a request, and the ratio to memory.

  --rounds N       how often each is measured; the median counts (3)
  --seconds S      how long each measurement lasts (3)
  --connections N  requests under way at once (16)
  --only NAME      one operation alone: introspection, client-credentials, userinfo, code-exchange, refresh, revocation
  --help           shows this
`;

const { values } = parseArgs({
  options: {
    help: { type: 'boolean' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '16' },
    only: { type: 'string' },
  },
});

const KINDS = ['memory', 'prisma', 'ours'] as const;
type Kind = (typeof KINDS)[number];
type Result = { operation: string; kind: Kind; perSecond: number; p50Ms: number; p99Ms: number; cpuMicros: number };
type Answer = { status: number; body: Record<string, string> };
type Send = (path: string, form: Record<string, string> | undefined, headers?: Record<string, string>) => Promise<Answer>;

// Until the compiler has seen what is hot, the figures are those of another program.
const WARM_UP_SECONDS = 4;
const ISSUER = 'http://localhost:3999';
const VERIFIER = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk';
const basic = (id: string, secret: string) => ({ authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` });
const CLIENT = basic('bench', 'b'.repeat(43));
const API = basic('bench-api', 'a'.repeat(43));

/** Each operation: what it needs beforehand (`supply`, one a request, or one for all), and the request. */
const OPERATIONS: Record<
  string,
  {
    supply: (count: number, mint: (n: number) => Promise<string[]>, send: Send) => Promise<string[]>;
    one: boolean;
    request: (send: Send, thing: string) => Promise<Answer>;
  }
> = {
  introspection: { one: true, supply: aUserToken, request: (send, token) => send('/oauth/introspect', { token }, API) },
  'client-credentials': {
    one: true,
    supply: async () => [''],
    request: (send) => send('/oauth/token', { grant_type: 'client_credentials', scope: 'api' }, CLIENT),
  },
  userinfo: {
    one: true,
    supply: aUserToken,
    request: (send, token) => send('/oauth/userinfo', undefined, { authorization: `Bearer ${token}` }),
  },
  'code-exchange': { one: false, supply: (count, mint) => mint(count), request: (send, code) => redeem(send, code) },
  refresh: {
    one: false,
    supply: (count, mint, send) => tokensOf(count, mint, send, 'refresh_token'),
    request: (send, token) => send('/oauth/token', { grant_type: 'refresh_token', refresh_token: token }, CLIENT),
  },
  revocation: {
    one: false,
    supply: (count, mint, send) => tokensOf(count, mint, send, 'access_token'),
    request: (send, token) => send('/oauth/revoke', { token }, CLIENT),
  },
};

async function main(): Promise<void> {
  const dataDir = join(ROOT, '.data/bench');
  mkdirSync(dataDir, { recursive: true });
  const postgres = await startPostgres(dataDir, { flags: ['shared_buffers=512MB', 'synchronous_commit=off', 'max_connections=100'] });
  try {
    const account = await prepare(postgres.url);
    const results: Result[] = [];
    const names = Object.keys(OPERATIONS).filter((name) => !values.only || name === values.only);
    for (let round = 1; round <= Number(values.rounds); round++) {
      for (const kind of KINDS) {
        const server = await start(kind, postgres.url);
        for (const name of names) {
          results.push(await measure(name, kind, server, account));
          process.stderr.write(`\r  round ${round} of ${values.rounds}: ${kind} ${name}`.padEnd(60));
        }
        server.child.kill();
        await once(server.child, 'close');
      }
    }
    process.stderr.write('\r'.padEnd(60));
    const table = summary(names, results);
    console.log(render(table));
    writeFileSync(join(dataDir, 'throughput.json'), `${JSON.stringify(table, null, 2)}\n`);
  } finally {
    await postgres.stop();
  }
}

async function prepare(url: string): Promise<string> {
  await migrate(url);
  const database = openDatabase(url, createLog('silent'));
  await database.prisma.$executeRaw`truncate client, user_account, protocol_record cascade`;
  await saveResourceServers(database, ownResourceServers(ISSUER));
  const grants = {
    redirect_uris: ['https://client.example/cb'],
    grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
    response_types: ['code'],
  };
  await database.transaction(saveClient({ client_id: 'bench', client_secret: 'b'.repeat(43), ...grants }));
  await database.transaction(
    saveClient({
      client_id: 'bench-api',
      client_secret: 'a'.repeat(43),
      redirect_uris: [],
      grant_types: [],
      response_types: [],
      introspects: ISSUER,
    }),
  );
  const { id } = await createAccount(database, { email: 'bench@people.example', username: 'bench', name: 'Bench', password: 'bench' });
  await database.close();
  return id;
}

async function start(kind: Kind, url: string) {
  const env = {
    ...process.env,
    DATABASE_URL: url,
    ISSUER,
    DATA_DIR: join(ROOT, '.data/bench'),
    NODE_ENV: 'development',
    LOG_LEVEL: 'silent',
  };
  const child = fork(join(import.meta.dirname, 'server.ts'), [kind], { env });
  const [{ address }] = (await once(child, 'message')) as [{ address: string }];
  // The server has a core to itself; the database and this process share the other.
  pin(child.pid as number, '0');
  pin(process.pid, '1');
  return { child, address };
}

function pin(pid: number, cores: string): void {
  try {
    execFileSync('taskset', ['-a', '-cp', cores, String(pid)], { stdio: 'ignore' });
  } catch {
    // Without it the figures are noisier, and their ratio still says something.
  }
}

async function measure(
  name: string,
  kind: Kind,
  { child, address }: { child: ChildProcess; address: string },
  account: string,
): Promise<Result> {
  const operation = OPERATIONS[name];
  if (!operation) throw new Error(`no operation ${name}`);
  const connections = Number(values.connections);
  const pool = new Pool(address, { connections, pipelining: 1 });
  const send: Send = async (path, form, headers) => {
    const { statusCode, body } = await pool.request({
      path,
      method: form ? 'POST' : 'GET',
      headers: { host: new URL(ISSUER).host, ...(form ? { 'content-type': 'application/x-www-form-urlencoded' } : {}), ...headers },
      body: form && new URLSearchParams(form).toString(),
    });
    const text = await body.text();
    return { status: statusCode, body: text ? JSON.parse(text) : {} };
  };
  const mint = async (count: number) => {
    child.send({ mint: count, account });
    return ((await once(child, 'message')) as [{ codes: string[] }])[0].codes;
  };
  const seconds = Number(values.seconds);
  const supply = await operation.supply(operation.one ? 1 : Math.round(seconds * 4_000), mint, send);
  const things = operation.one ? endless(supply[0] as string) : supply.values();
  await drive(things, connections, operation.one ? WARM_UP_SECONDS : 0.5, (thing) => operation.request(send, thing));
  const cpu = cpuSeconds(child.pid as number);
  const { latencies, elapsed } = await drive(things, connections, seconds, (thing) => operation.request(send, thing));
  const spent = cpuSeconds(child.pid as number) - cpu;
  await pool.close();
  latencies.sort((a, b) => a - b);
  const at = (share: number) => latencies[Math.floor(latencies.length * share)] ?? 0;
  return {
    operation: name,
    kind,
    perSecond: latencies.length / elapsed,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    cpuMicros: (spent * 1e6) / latencies.length,
  };
}

/** Requests one after another on each connection, until time or things run out. @throws on the first answer that is not 200. */
async function drive(things: Iterator<string>, connections: number, seconds: number, request: (thing: string) => Promise<Answer>) {
  const latencies: number[] = [];
  const begun = performance.now();
  const end = begun + seconds * 1000;
  const line = async () => {
    while (performance.now() < end) {
      const { value, done } = things.next();
      if (done) return;
      const sent = performance.now();
      const { status, body } = await request(value);
      if (status !== 200) throw new Error(`answered ${status} ${JSON.stringify(body)}`);
      latencies.push(performance.now() - sent);
    }
  };
  await Promise.all(Array.from({ length: connections }, line));
  return { latencies, elapsed: (performance.now() - begun) / 1000 };
}

function* endless(thing: string) {
  for (;;) yield thing;
}

function redeem(send: Send, code: string): Promise<Answer> {
  return send(
    '/oauth/token',
    { grant_type: 'authorization_code', code, code_verifier: VERIFIER, redirect_uri: 'https://client.example/cb' },
    CLIENT,
  );
}

async function tokensOf(count: number, mint: (n: number) => Promise<string[]>, send: Send, member: string): Promise<string[]> {
  const tokens: string[] = [];
  await drive((await mint(count)).values(), 16, 600, async (code) => {
    const answer = await redeem(send, code);
    tokens.push(String(answer.body[member]));
    return answer;
  });
  return tokens;
}

function aUserToken(_count: number, mint: (n: number) => Promise<string[]>, send: Send): Promise<string[]> {
  return tokensOf(1, mint, send, 'access_token');
}

/** User and system time a process has used, in seconds (proc(5), stat, fields 14 and 15, in hundredths). */
function cpuSeconds(pid: number): number {
  const fields =
    execFileSync('cat', [`/proc/${pid}/stat`], { encoding: 'utf8' })
      .split(') ')[1]
      ?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function summary(names: string[], results: Result[]) {
  const median = (numbers: number[]) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;
  return names.map((operation) => {
    const of = (kind: Kind, figure: 'perSecond' | 'p50Ms' | 'p99Ms' | 'cpuMicros') =>
      median(results.filter((result) => result.operation === operation && result.kind === kind).map((result) => result[figure]));
    return {
      operation,
      ratioToMemory: of('ours', 'perSecond') / of('memory', 'perSecond'),
      ...Object.fromEntries(
        KINDS.map((kind) => [
          kind,
          { perSecond: of(kind, 'perSecond'), p50Ms: of(kind, 'p50Ms'), p99Ms: of(kind, 'p99Ms'), cpuMicros: of(kind, 'cpuMicros') },
        ]),
      ),
    } as { operation: string; ratioToMemory: number } & Record<Kind, Omit<Result, 'operation' | 'kind'>>;
  });
}

function render(table: ReturnType<typeof summary>): string {
  const cell = (text: string | number, width: number) => String(text).padStart(width);
  const head = `${'requests a second'.padEnd(20)}${KINDS.map((kind) => cell(kind, 9)).join('')}${cell('ratio', 8)}${cell('p50 ms', 9)}${cell('p99 ms', 9)}${cell('CPU µs', 9)}`;
  const rows = table.map(
    (row) =>
      `${row.operation.padEnd(20)}${KINDS.map((kind) => cell(Math.round(row[kind].perSecond), 9)).join('')}${cell(row.ratioToMemory.toFixed(2), 8)}${cell(row.ours.p50Ms.toFixed(1), 9)}${cell(row.ours.p99Ms.toFixed(1), 9)}${cell(Math.round(row.ours.cpuMicros), 9)}`,
  );
  return [head, ...rows].join('\n');
}

if (values.help) process.stdout.write(HELP);
else await main();
