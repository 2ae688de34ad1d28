import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Page } from 'playwright-core';
import { assertPassesAxe } from './access.ts';
import { eventually } from './eventually.ts';
import type { Credentials } from './flow.ts';

/**
 * `npm run example` as it is run, on a folder and ports of its own.
 *
 *     const example = await startExample();
 *     after(() => example.close());
 */
export type Example = {
  /** Where the four are. */
  munjigi: string;
  haru: string;
  notes: string;
  app: string;
  /** Whom the panel names. */
  person: { atHaru: Credentials; atMunjigi: Credentials };
  /** What the app is at Munjigi. */
  client: { client_id: string; client_secret: string; redirect_uri: string };
  /** The address of a database of its, for what no page shows. */
  databaseUrl(name: 'munjigi' | 'haru'): string;
  /** What each of the four has written. */
  logs(): string[];
  /** Kills one of the four. */
  kill(name: 'munjigi' | 'haru' | 'notes' | 'app'): Promise<void>;
  /** Ctrl-C, and what was printed until the last process ended. */
  interrupt(): Promise<string>;
  /** The same once more, on what the last run left behind, and at the same addresses. @returns what it printed. */
  restart(): Promise<string>;
  close(): Promise<void>;
};

const ROOT = resolve(import.meta.dirname, '../..');

export async function startExample(variables: Record<string, string> = {}): Promise<Example> {
  const folder = mkdtempSync(join(tmpdir(), 'munjigi-example-'));
  const ports = { PORT: '0', HARU_PORT: '0', NOTES_PORT: '0', APP_PORT: '0' };
  let run = await launch(folder, { ...ports, ...variables });
  const read = (file: string) => JSON.parse(readFileSync(join(folder, file), 'utf8'));
  const { places, haruPerson, appClient } = read('example.json');
  const demo = read('munjigi/demo.json');
  const interrupt = async () => {
    // To the whole group, as a terminal does.
    if (run.child.exitCode === null && run.child.signalCode === null) {
      process.kill(-(run.child.pid as number), 'SIGINT');
      await once(run.child, 'close');
    }
    await eventually('no process is left', () => processesOf(folder).length === 0);
    return run.output();
  };
  return {
    munjigi: places.munjigi.url,
    haru: places.haru.url,
    notes: places.notes.url,
    app: places.app.url,
    person: {
      atHaru: { email: haruPerson.email, password: haruPerson.password },
      atMunjigi: { email: demo.email, password: demo.password },
    },
    client: { client_id: appClient.id, client_secret: appClient.secret, redirect_uri: `${places.app.url}/signed-in` },
    databaseUrl(name) {
      const port = readFileSync(join(folder, 'postgres/postmaster.pid'), 'utf8').split('\n')[3];
      return `postgres://munjigi:${readFileSync(join(folder, 'postgres-password'), 'utf8').trim()}@127.0.0.1:${port}/${name}`;
    },
    logs: () => Object.keys(places).map((name) => readFileSync(join(folder, `${name}.log`), 'utf8')),
    async kill(name) {
      const [found] = processes().filter(({ group, args }) => group === run.child.pid && args.endsWith(`s ${name}`));
      process.kill(Number(found?.pid), 'SIGKILL');
      await eventually('it is noticed', () => run.output().includes(`${name} has ended; the others go on`));
    },
    interrupt,
    async restart() {
      const same = { PORT: places.munjigi.port, HARU_PORT: places.haru.port, NOTES_PORT: places.notes.port, APP_PORT: places.app.port };
      run = await launch(folder, { ...same, ...variables });
      return run.output();
    },
    async close() {
      await interrupt();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Runs it until its panel is there. */
async function launch(folder: string, variables: Record<string, string>): Promise<{ child: ChildProcess; output: () => string }> {
  const { TEST_DATABASE_URL: _theirs, NODE_ENV: _test, ...environment } = process.env;
  const child = spawn('npm', ['run', 'example'], {
    cwd: ROOT,
    env: { ...environment, DATA_DIR: folder, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let output = '';
  await new Promise<void>((done) => {
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text) => {
        output += text;
        if (output.includes('Ctrl-C')) done();
      });
    child.on('close', () => done());
  });
  assert.match(output, /Ctrl-C stops everything/, output);
  return { child, output: () => output };
}

const processes = () =>
  execFileSync('ps', ['-eo', 'pid=,pgid=,args='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .map(([pid, group, ...args]) => ({ pid: Number(pid), group: Number(group), args: args.join(' ') }));

/** All that the folder is named to: the database among them, which is in no group of ours. */
const processesOf = (folder: string) => processes().filter(({ args }) => args.includes(folder) && !args.startsWith('ps '));

/**
 * Goes on as Haru's person would who says yes to everything, wherever they are asked, until they are back at the app.
 * @param who they are at Notes. @returns what they were asked, page by page: the site, and what the page is called.
 */
export async function sayYes(page: Page, example: Example, who: { atNotes: string } = { atNotes: 'Bora' }): Promise<string[]> {
  const asked: string[] = [];
  const home = `${example.app}/`;
  for (let n = 0; n < 15; n++) {
    // Pages between go on by themselves.
    await page.waitForFunction(
      (home) => document.readyState !== 'loading' && (location.href === home || document.querySelector('main form, main .elsewhere')),
      home,
    );
    if (page.url() === home) return asked;
    const before = page.url();
    asked.push(`${siteOf(example, before)}: ${await page.locator('h1').innerText()}`);
    await answer(page, example, who.atNotes);
    await page.waitForURL((url) => url.href !== before);
  }
  throw new Error(`it never ends: ${asked.join(' → ')}`);
}

/** Has a code mailed, reads it where development keeps its mail, and types it. */
async function proveMailbox(page: Page, { munjigi }: Example): Promise<void> {
  await page.locator('main form button[type=submit]').first().click();
  const code = page.locator('main [name=code]');
  await code.waitFor();
  const read = async (path: string) => (await fetch(munjigi + path, { headers: { accept: 'text/html' } })).text();
  const [, newest] = /href="(\/dev\/mail\/[0-9a-f-]{36})"/.exec(await read('/dev/mail')) ?? [];
  const [sent] = /\b\d{8}\b/.exec(await read(String(newest))) ?? [];
  await code.fill(String(sent));
  await page.locator('main form:has([name=code]) button[type=submit]').first().click();
}

async function answer(page: Page, example: Example, atNotes: string): Promise<void> {
  if (new URL(page.url()).pathname.startsWith('/account/proof/')) return proveMailbox(page, example);
  const [go, password, approve] = [
    page.locator('a[href*="/connect/go"]'),
    page.locator('[name=password]'),
    page.locator('[value=approve]'),
  ];
  if (await go.count()) return go.first().click();
  if (await password.count()) {
    await page.fill('[name=email]', example.person.atHaru.email);
    await password.fill(example.person.atHaru.password);
    return page.locator('form:has([name=password]) button[type=submit]').first().click();
  }
  if (await approve.count()) {
    for (const box of await page.locator('input[type=checkbox][name=scope]').all()) await box.check();
    return approve.click();
  }
  if (page.url().startsWith(example.notes)) {
    await assertPassesAxe(page);
    await page.getByLabel(atNotes).check();
    return page.locator('[value=yes]').click();
  }
  if (await page.locator('[name=agree]').count()) await page.check('[name=agree]');
  return page.locator('main form button[type=submit]').first().click();
}

const siteOf = (example: Example, url: string) =>
  (['munjigi', 'haru', 'notes', 'app'] as const).find((name) => url.startsWith(example[name])) ?? url;
