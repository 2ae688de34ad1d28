import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access, mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ensureDependencies, ensurePrismaClient } from './bootstrap/dependencies.mjs';
import { ensureNode, ROOT } from './bootstrap/node.mjs';
import { startPostgres } from './bootstrap/postgres.mjs';
import { fail, Stop } from './bootstrap/say.mjs';

/**
 * `npm start`: everything from a fresh clone to a running server. Needs Node 20 and nothing else; what it does a first time,
 * it skips a second. It stays, to stop the database after the server; the server itself is scripts/run.ts in Node 24.
 */

const HELP = `Usage: npm start

  Installs what is missing, starts a PostgreSQL of its own in DATA_DIR (or uses DATABASE_URL), migrates, makes demo
  accounts once, and runs the server. Ctrl-C stops all of it; the data stays.

  PORT=3000  HOST=127.0.0.1  ISSUER=http://localhost:3000  DATA_DIR=.data  DATABASE_URL=postgres://...  LOG_LEVEL=info
  WEB_CONCURRENCY=1  SMTP_URL=smtps://user:password@host (without it, mail is read at /dev/mail)
`;

const PARENT = process.ppid;

if (process.argv.includes('--help')) {
  process.stdout.write(HELP);
  process.exit(0);
}

let server;
let stopping = false;
// A terminal's Ctrl-C reaches the server by itself; a SIGTERM comes to us alone.
process.on('SIGINT', () => stop());
process.on('SIGTERM', () => stop('SIGTERM'));
process.on('SIGHUP', () => stop('SIGTERM'));
// npm ends only the shell between, without a signal to this process. A new parent process is the only sign of it.
setInterval(() => process.ppid !== PARENT && stop('SIGTERM'), 500).unref();

try {
  process.exitCode = await main();
} catch (error) {
  fail(error);
}

async function main() {
  const dataDir = resolve(ROOT, process.env.DATA_DIR || '.data');
  const writable = mkdir(dataDir, { recursive: true }).then(() => access(dataDir, constants.W_OK));
  await writable.catch((error) => {
    throw new Stop(
      `DATA_DIR ${dataDir} cannot be written to (${error.code}): choose a folder of yours, such as DATA_DIR=~/munjigi npm start`,
    );
  });
  // Side by side: neither needs the other.
  const [node] = await Promise.all([ensureNode(), ensureDependencies('runtime')]);
  await ensurePrismaClient(node);
  const own = process.env.DATABASE_URL || process.env.DATABASE_URL_FILE ? undefined : await startPostgres(dataDir);
  try {
    return stopping ? 0 : await serve(node, { ...process.env, DATA_DIR: dataDir, ...(own ? { DATABASE_URL: own.url } : {}) });
  } finally {
    await own?.stop();
  }
}

/** @returns the server's exit code, once it has ended. */
function serve(node, env) {
  return new Promise((done) => {
    server = spawn(node, [join(ROOT, 'scripts/run.ts')], { cwd: ROOT, env, stdio: 'inherit' });
    server.on('close', (code) => done(code ?? 1));
  });
}

function stop(signal) {
  stopping = true;
  if (signal) server?.kill(signal);
}
