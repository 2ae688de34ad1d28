import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { runScript } from './command.ts';
import { startTestServer, type TestServer } from './environment.ts';
import type { Credentials } from './flow.ts';

/** What a reader of the documents has: a development server with demo accounts, and the blocks to paste. */

export const ROOT = join(import.meta.dirname, '../..');

/** The blocks of code of one kind, such as `bash`, in their order. */
export const blocksOf = (text: string, kind: string): string[] =>
  [...text.matchAll(new RegExp(`\`\`\`${kind}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(([, block]) => String(block));

/** @returns false, or the reason to skip a test: the first of the programs that this machine lacks. */
export function lacks(...programs: string[]): string | false {
  const missing = programs.find((name) => spawnSync('which', [name]).status !== 0);
  return missing !== undefined && `no ${missing}`;
}

export type Reader = {
  server: TestServer;
  /** Below the repository, where Node finds the packages that a reader installs. */
  folder: string;
  demo: Credentials;
  /** A document with the addresses and files of this test instead of a reader's. @param ports by the port that the document names. */
  read(file: string, ports?: Record<string, string>): Promise<string>;
  close(): Promise<void>;
};

export async function startReading(): Promise<Reader> {
  const server = await startTestServer({ environment: 'development' });
  await mkdir(join(ROOT, '.data/test'), { recursive: true });
  const folder = await mkdtemp(join(ROOT, '.data/test/reader-'));
  process.env['DATA_DIR'] = folder;
  const seeded = runScript(server, 'seed');
  assert.equal(seeded.status, 0, seeded.stderr);
  const demoFile = join(folder, 'demo.json');
  return {
    server,
    folder,
    demo: JSON.parse(await readFile(demoFile, 'utf8')),
    async read(file, ports = {}) {
      const text = (await readFile(join(ROOT, file), 'utf8')).replace(/\b\d{4}\b/g, (digits) => ports[digits] ?? digits);
      return text.replaceAll('http://localhost:3000', server.issuer).replaceAll('.data/demo.json', demoFile);
    },
    async close() {
      delete process.env['DATA_DIR'];
      await server.close();
      await rm(folder, { recursive: true });
    },
  };
}
