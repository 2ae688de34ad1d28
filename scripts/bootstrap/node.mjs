import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Stop, step } from './say.mjs';

/** Brings a Node that runs TypeScript (24), from the npm registry, when the host's own is older; and runs npm. */

export const ROOT = join(import.meta.dirname ?? dirname(new URL(import.meta.url).pathname), '../..');
const RUNTIME = join(ROOT, 'scripts/runtime');
const NEEDED_MAJOR = 24;

/** @returns path of a Node 24 or later: this one, or one installed into scripts/runtime from its lock file. */
export async function ensureNode() {
  if (Number(process.versions.node.split('.')[0]) >= NEEDED_MAJOR) return process.execPath;
  const binary = join(
    RUNTIME,
    'node_modules',
    `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`,
    process.platform === 'win32' ? 'bin/node.exe' : 'bin/node',
  );
  if (!existsSync(binary)) await step(`fetching Node ${NEEDED_MAJOR} (this host has ${process.versions.node})`, () => npm(['ci'], RUNTIME));
  if (!existsSync(binary))
    throw new Stop(
      `Node ${NEEDED_MAJOR} is needed and the npm registry has none for ${process.platform}-${process.arch}: install it from nodejs.org.`,
    );
  return binary;
}

/** Runs npm without install scripts: none may download anything. @throws Stop with npm's own error lines. */
export function npm(args, cwd) {
  return new Promise((resolve, reject) => {
    const child = spawn('npm', [...args, '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'], {
      cwd,
      stdio: ['ignore', 'ignore', 'pipe'],
      shell: process.platform === 'win32',
    });
    let errors = '';
    child.stderr.on('data', (chunk) => {
      errors += chunk;
    });
    child.on('error', (error) => reject(new Stop(`npm could not be run: ${error.message}`)));
    child.on('close', (code) => (code === 0 ? resolve() : reject(new Stop(`npm ${args.join(' ')} failed:\n${errors.trim()}`))));
  });
}

export async function digestOf(...files) {
  const hash = createHash('sha256');
  for (const file of files) hash.update(await readFile(file));
  return hash.digest('hex');
}
