import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import * as module from 'node:module';
import { join, resolve } from 'node:path';
import { ensureDependencies, ensurePrismaClient } from './bootstrap/dependencies.mjs';
import { ensureNode, ROOT } from './bootstrap/node.mjs';
import { fail, speakTo } from './bootstrap/say.mjs';

/**
 * `npm run munjigi` and bin/munjigi: installs what a fresh clone lacks, as `npm start` does, and runs scripts/munjigi.ts with a Node that runs
 * TypeScript. This file and what it imports must parse on Node 20.
 */

// Node stores compiled code here, because compiling takes half of a command's time. If it cannot write, commands run as without it.
// Only the user who installed the dependencies can write here. In Node's default folder, other users could place code.
const COMPILED = join(ROOT, 'node_modules/.cache/munjigi');

// stdout belongs to the command: with --json it is one document.
speakTo(process.stderr);

try {
  const node = await prepare();
  // A relative DATA_DIR is below the project, as for `npm start`. A file that the user names stays relative to the user's folder.
  process.env.DATA_DIR = resolve(ROOT, process.env.DATA_DIR || '.data');
  if (process.env.npm_lifecycle_event === 'munjigi' && process.env.INIT_CWD) process.chdir(process.env.INIT_CWD);
  const program = join(ROOT, 'scripts/munjigi.ts');
  if (node === process.execPath) {
    module.enableCompileCache?.(COMPILED);
    await (await import(program)).main();
  } else process.exitCode = await runWith(node, program);
} catch (error) {
  fail(error);
}

/** @returns path of the Node that runs the commands. */
async function prepare() {
  // The container image has no lock file, and all that the commands need.
  if (!existsSync(join(ROOT, 'package-lock.json'))) return process.execPath;
  const [node] = await Promise.all([ensureNode(), ensureDependencies('runtime')]);
  await ensurePrismaClient(node);
  return node;
}

/** @returns the exit code. Ctrl-C reaches both processes; this one waits for the command. */
function runWith(node, program) {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => signal !== 'SIGINT' && child.kill(signal));
  const child = spawn(node, [program, ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: { NODE_COMPILE_CACHE: COMPILED, ...process.env },
  });
  return new Promise((done, failed) => {
    child.on('error', failed);
    child.on('close', (code) => done(code ?? 1));
  });
}
