import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import pg from 'pg';
import { Agent, request } from 'undici';
import type { Config } from '../../src/platform/config.ts';
import { openDatabase } from '../../src/platform/database.ts';
import { createLog } from '../../src/platform/log.ts';
import { randomSecret } from '../../src/platform/secrets.ts';
import { freePort, stock, type TestSite, type TestStock } from './environment.ts';
import { throughPooler } from './pooler.ts';

/**
 * The server as processes of their own, several of one issuer on one database: for what one process cannot show, such as its own death.
 *
 *     const house = await createHouse(database.url);
 *     const one = await house.start();
 *     after(() => house.close());
 */
export type House = TestStock & {
  issuer: string;
  /**
   * Starts one more process of the issuer; the first listens where the issuer says, unless somebody else does.
   * @param variables of its environment. @param root of the program, for another version of it.
   */
  start(variables?: Record<string, string>, root?: string): Promise<TestProcess>;
  /** Runs one that is to end by itself. @returns its exit code and all that it printed. */
  startInVain(variables: Record<string, string>): Promise<{ code: number; output: string }>;
  /** Ends what still runs. The database stays. */
  close(): Promise<void>;
};

export type TestProcess = TestSite & {
  pid: number;
  /** What it printed that is not a log line. */
  output(): string;
  /** Parsed log lines with this event. */
  logged(event: string): Record<string, unknown>[];
  /** Sends a signal and waits for the end. @returns how it ended. */
  kill(signal: NodeJS.Signals): Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** Resident memory in megabytes. */
  memory(): number;
};

const ROOT = resolve(import.meta.dirname, '../..');

/** @param like a server that is there already, whose issuer and keys these processes have too. */
export async function createHouse(
  databaseUrl: string,
  like?: Pick<Config, 'issuer' | 'cookieKeys' | 'dataEncryptionKeys'>,
): Promise<House> {
  const port = await freePort();
  const issuer = like?.issuer ?? `http://localhost:${port}`;
  const database = openDatabase(databaseUrl, createLog('silent'));
  const side = new pg.Pool({ connectionString: databaseUrl, max: 4 });
  // Its database may be stopped under it.
  side.on('error', () => {});
  const common = stock(database, side);
  const environment = {
    PATH: String(process.env['PATH']),
    NODE_ENV: 'test',
    REQUEST_LIMITS: 'authorize=1000000,par=1000000,device=1000000,token=1000000',
    ISSUER: issuer,
    DATABASE_URL: throughPooler(databaseUrl),
    DATABASE_DIRECT_URL: databaseUrl,
    DATA_DIR: '/nowhere',
    DRAIN_SECONDS: '0',
    // A busy machine may need longer than a second to connect.
    DATABASE_WAIT_SECONDS: '20',
    COOKIE_KEYS: like?.cookieKeys.join() ?? randomSecret(),
    DATA_ENCRYPTION_KEYS: (like?.dataEncryptionKeys ?? [randomBytes(32)]).map((key) => Buffer.from(key).toString('base64url')).join(),
  };
  const running = new Set<ChildProcess>();
  let first = !like;

  function run(variables: Record<string, string>, root = ROOT) {
    const direct = variables['DATABASE_URL'] === undefined ? {} : { DATABASE_DIRECT_URL: '' };
    const child = spawn(process.execPath, [join(root, 'src/main.ts')], { env: { ...environment, ...direct, ...variables } });
    running.add(child);
    child.on('close', () => running.delete(child));
    return child;
  }

  return {
    ...common,
    issuer,
    async start(variables = {}, root = ROOT) {
      const child = run({ PORT: first ? String(port) : '0', ...variables }, root);
      first = false;
      return { ...common, issuer, ...(await follow(child, issuer)) };
    },
    async startInVain(variables) {
      const child = run({ PORT: '0', DATABASE_WAIT_SECONDS: '0', ...variables });
      let output = '';
      for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
      const [code] = await once(child, 'close');
      return { code, output };
    },
    async close() {
      await Promise.all([...running].map((child) => end(child, 'SIGKILL')));
      await database.close();
      await side.end();
    },
  };
}

/** @throws AssertionError with what it printed when it ends before it listens. */
async function follow(child: ChildProcess, issuer: string): Promise<Omit<TestProcess, keyof TestStock | 'issuer'>> {
  const lines: string[] = [];
  let output = '';
  child.stderr?.setEncoding('utf8').on('data', (text) => (output += text));
  const listening = new Promise<string>((found) => {
    createInterface({ input: child.stdout as NonNullable<ChildProcess['stdout']> }).on('line', (line) => {
      if (!line.startsWith('{')) output += `${line}\n`;
      else lines.push(line);
      if (line.includes('"event":"listening"')) found(JSON.parse(line).address);
    });
  });
  const address = await Promise.race([listening, once(child, 'close').then(() => undefined)]);
  assert(address, `it ended before it listened: ${output}`);
  return {
    pid: child.pid as number,
    send: sendTo(address, issuer),
    logLines: () => lines,
    logged: (event) => lines.filter((line) => line.includes(`"event":"${event}"`)).map((line) => JSON.parse(line)),
    output: () => output,
    kill: (signal) => end(child, signal),
    memory: () => Number(execFileSync('ps', ['-o', 'rss=', '-p', String(child.pid)], { encoding: 'utf8' })) / 1024,
    async close() {
      await end(child, 'SIGTERM');
    },
  };
}

/** Fetch that reaches this process as a proxy would, on as many connections as there are requests. */
function sendTo(address: string, issuer: string): typeof fetch {
  const dispatcher = new Agent();
  return async (input, init) => {
    const { method, headers, body, url, signal } = new Request(input, init);
    const { pathname, search } = new URL(url);
    const answer = await request(address + pathname + search, {
      method: method as 'GET',
      headers: { ...Object.fromEntries(headers), host: new URL(issuer).host },
      body: body && Buffer.from(await new Response(body).arrayBuffer()),
      dispatcher,
      signal,
    });
    return new Response(await answer.body.arrayBuffer(), { status: answer.statusCode, headers: answer.headers as Record<string, string> });
  };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill(signal);
    await once(child, 'close');
  }
  return { code: child.exitCode, signal: child.signalCode };
}

/** Looks again until it is so; the runner's own limit is the end of patience. */
export async function waitUntil(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((again) => setTimeout(again, 20));
}
