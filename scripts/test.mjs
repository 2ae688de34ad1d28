import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { ensureDependencies, ensurePrismaClient } from './bootstrap/dependencies.mjs';
import { ensureNode, ROOT } from './bootstrap/node.mjs';
import { pgbouncerVersion, startPgbouncer } from './bootstrap/pgbouncer.mjs';
import { startPostgres } from './bootstrap/postgres.mjs';
import { fail, Stop, step } from './bootstrap/say.mjs';

/** `npm test`: everything from a fresh clone to the last test. Lint, types, then the tests on a PostgreSQL and a browser of their own. */

const HELP = `Usage: npm test [-- FILE ...]

  Without files: lint, types, and every test below test/ and packages/.
  With files or folders: those tests alone, such as  npm test -- test/flows

  MUNJIGI_TEST_POOLER=1  has the servers of tests reach their databases through PgBouncer in transaction mode, which this machine must have
`;

if (process.argv.includes('--help')) {
  process.stdout.write(HELP);
  process.exit(0);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  fail(error);
}

async function main(files) {
  const [node] = await Promise.all([ensureNode(), ensureDependencies('all')]);
  await ensurePrismaClient(node);
  const dataDir = resolve(ROOT, '.data/test');
  await mkdir(dataDir, { recursive: true });
  // Tests lose nothing when the machine does: waiting for the disk would only make them slow.
  const postgres = await startPostgres(dataDir, {
    flags: ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off', 'max_connections=300'],
  });
  const pooler = process.env.MUNJIGI_TEST_POOLER === '1' ? await startPooler(postgres) : undefined;
  const env = {
    ...process.env,
    ...(pooler ? { TEST_POOLER_URL: pooler.url(postgres.url) } : {}),
    // Started by path, so that what the tests start finds the same Node.
    PATH: `${dirname(node)}:${process.env.PATH}`,
    TEST_DATABASE_URL: postgres.url,
    NODE_ENV: 'test',
    // Hundreds of processes load the same modules: two fifths of what it costs to start one is to compile them.
    NODE_COMPILE_CACHE: join(dataDir, 'compile-cache'),
  };
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => {});
  const run = (args) =>
    new Promise((done) => spawn(node, args, { cwd: ROOT, env, stdio: 'inherit' }).on('close', (code) => done(code ?? 1)));
  try {
    if (!files.length) {
      const lint = await step('lint', () =>
        run([join(ROOT, 'node_modules/@biomejs/biome/bin/biome'), 'check', '--error-on-warnings', '.']),
      );
      const types = await step('types', () => run([join(ROOT, 'node_modules/typescript/bin/tsc')]));
      if (lint || types) return 1;
    }
    if (await run([join(ROOT, 'scripts/test-template.ts')])) return 1;
    const chosen = files.length
      ? files.map((file) => (/\.test\.ts$/.test(file) ? file : `${file.replace(/\/$/, '')}/**/*.test.ts`))
      : ['test/**/*.test.ts', 'packages/*/test/**/*.test.ts'];
    // One more than the cores of a small machine: a test often waits, for a process to start or for a lock.
    // A file that never ends fails, and names its tests.
    return await run(['--test', '--test-concurrency=3', `--test-timeout=${15 * 60_000}`, ...chosen]);
  } finally {
    await pooler?.stop();
    await postgres.stop();
  }
}

async function startPooler(postgres) {
  try {
    if (!(await pgbouncerVersion())) throw new Stop('MUNJIGI_TEST_POOLER=1 needs PgBouncer, such as that of apt-get install pgbouncer');
    return await startPgbouncer(postgres.url);
  } catch (error) {
    await postgres.stop();
    throw error;
  }
}
