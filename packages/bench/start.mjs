import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../scripts/bootstrap/free-port.mjs';

/** How long a newcomer waits: a fresh clone to its first token, and a second start; with the memory of the server at rest. */

const HELP = `Usage: node packages/bench/start.mjs

  Clones the last commit into a temporary folder, runs npm start there, and prints the seconds until a token is issued,
  the same for a second start, and the server's resident memory at rest. Packages come from npm's cache where it has them.

  --help  shows this
`;

if (process.argv.includes('--help')) {
  process.stdout.write(HELP);
  process.exit(0);
}

const folder = mkdtempSync(join(tmpdir(), 'munjigi-clone-'));
const clone = join(folder, 'munjigi');
execFileSync('git', ['clone', '--quiet', join(import.meta.dirname, '../..'), clone]);
try {
  const port = await freePort();
  for (const label of ['first start', 'second start']) {
    const { seconds, memory } = await measure(port);
    console.log(`${label.padEnd(14)} ${seconds.toFixed(1).padStart(6)} s to a token   ${memory} MB at rest`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function measure(port) {
  const begun = performance.now();
  const server = spawn('npm', ['start'], {
    cwd: clone,
    env: { ...process.env, PORT: String(port) },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  try {
    while (!(await token(port))) {
      if (server.exitCode !== null) throw new Error(`npm start ended with ${server.exitCode}`);
      await sleep(20);
    }
    const seconds = (performance.now() - begun) / 1000;
    // At rest: the garbage of the start has been collected.
    await sleep(5_000);
    return { seconds, memory: residentMegabytes(`${clone}/scripts/run.ts`) };
  } finally {
    server.kill('SIGTERM');
    await once(server, 'close');
    while (processes().some(({ args }) => args.includes(clone))) await sleep(50);
  }
}

async function token(port) {
  try {
    const { clientId, clientSecret } = JSON.parse(readFileSync(join(clone, '.data/demo.json'), 'utf8'));
    const response = await fetch(`http://localhost:${port}/oauth/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'api' }),
    });
    return response.ok;
  } catch {
    return false;
  }
}

function processes() {
  const lines = execFileSync('ps', ['-eo', 'pid=,rss=,args='], { encoding: 'utf8' }).trim().split('\n');
  return lines
    .map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line))
    .map(([, pid, rss, args]) => ({ pid: Number(pid), rss: Number(rss), args }));
}

function residentMegabytes(script) {
  return Math.round((processes().find(({ args }) => args.endsWith(script))?.rss ?? 0) / 1024);
}
