import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { environmentOf } from '../support/command.ts';
import { blocksOf, lacks, type Reader, ROOT, startReading } from '../support/documents.ts';
import { freePort } from '../support/environment.ts';
import { approve } from '../support/flow.ts';
import { Person } from '../support/person.ts';

/** The programs of docs/guides, saved and started as the guides say, in both languages. */

const skip = lacks('bash', 'curl');

describe('docs/guides', () => {
  let reader: Reader;
  const started: ChildProcess[] = [];
  before(async () => {
    reader = await startReading();
  });
  after(async () => {
    await Promise.all(started.map(end));
    await reader.close();
  });

  const shell = (script: string) =>
    spawn('bash', ['-c', `set -e\n${script}`], {
      cwd: reader.folder,
      env: environmentOf(reader.server),
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });

  /** Starts a program that goes on, and waits for its first line. */
  async function start(script: string): Promise<void> {
    const child = shell(script);
    started.push(child);
    let complaints = '';
    child.stderr?.on('data', (chunk) => {
      complaints += chunk;
    });
    const code = await Promise.race([
      once(child.stdout as NodeJS.ReadableStream, 'data').then(() => undefined),
      once(child, 'close').then(([first]) => first),
    ]);
    assert.equal(code, undefined, complaints);
  }

  async function run(script: string): Promise<string[]> {
    const child = shell(script);
    let printed = '';
    child.stdout?.on('data', (chunk) => {
      printed += chunk;
    });
    await once(child, 'close');
    return printed.trim().split('\n');
  }

  const save = (name: string, code = '') => writeFile(join(reader.folder, name), code);

  for (const name of ['first-app.md', 'first-app.ko.md'])
    it(`${name}: a user signs in, and the app calls the API`, { skip }, async () => {
      const { server, demo } = reader;
      const port = String(await freePort());
      const text = await reader.read(`docs/guides/${name}`, { 4000: port });
      await save('app.mjs', blocksOf(text, 'js')[0]);
      await start(blocksOf(text, 'bash').join('\n'));
      const app = `http://localhost:${port}`;
      const sent = await fetch(app, { redirect: 'manual' });
      assert.equal(sent.status, 303, await sent.text());
      const cookie = String(sent.headers.get('set-cookie')).split(';')[0] as string;
      const back = await approve(server, new Person(server.issuer), demo, String(sent.headers.get('location')));
      const stranger = await fetch(`${app}/callback?${back}`);
      assert.equal(stranger.status, 400, 'another browser has not asked');
      const shown = await (await fetch(`${app}/callback?${back}`, { headers: { cookie } })).text();
      assert.equal(shown.replace(/"id":"[^"]+"/, '"id":"…"'), blocksOf(text, 'text')[0]?.trim());
    });

  for (const name of ['protect-an-api.md', 'protect-an-api.ko.md'])
    it(`${name}: opaque tokens and JWTs open what they are for`, { skip }, async () => {
      const [opaque, jwt] = [String(await freePort()), String(await freePort())];
      const text = await reader.read(`docs/guides/${name}`, { 4001: opaque, 4002: jwt });
      const [first, second] = blocksOf(text, 'js');
      const [startOpaque = '', startJwt = '', tryBoth = ''] = blocksOf(text, 'bash');
      await Promise.all([save('opaque.mjs', first), save('jwt.mjs', second)]);
      await start(startOpaque);
      await start(startJwt);
      assert.deepEqual(await run(tryBoth), blocksOf(text, 'text')[0]?.trim().split('\n'));
      const statusOf = async (port: string, authorization?: string) =>
        (await fetch(`http://localhost:${port}/`, { headers: authorization ? { authorization } : {} })).status;
      for (const port of [opaque, jwt]) {
        assert.equal(await statusOf(port), 401);
        assert.equal(await statusOf(port, 'Bearer nonsense'), 401);
      }
    });

  for (const name of ['moving.md', 'moving.ko.md'])
    it(`${name}: the clients and users of each file move in`, { skip }, async () => {
      const { server, folder } = reader;
      const text = await reader.read(`docs/guides/${name}`);
      for (const [, file = '', code] of text.matchAll(/^`([\w.-]+)`:\n\n```\w+\n([\s\S]*?)```/gm)) await save(file, code);
      for (const used of ['realm-report.json', 'auth0-secrets.jsonl', 'hydra-secrets.jsonl']) await rm(join(folder, used), { force: true });
      const ids = ['shop-page', 'shop-old', 'exampleSpa', 'exampleJob', 'dash', 'ledger'];
      await server.sql('delete from client where id = any($1)', [ids]);
      await server.sql(`delete from user_account where email like '%@shop.example' or email like '%@firm.example'`);
      const shell = `munjigi() { node ${join(ROOT, 'scripts/munjigi.ts')} "$@"; }\n`;
      const printed = await run(shell + blocksOf(text, 'bash').join('\n'));
      assert.deepEqual(
        printed.filter((line) => /^(clients|people): /.test(line)),
        [
          ...['clients: 2 would be made', 'people: 1 would be made; 1 with their password'],
          ...['clients: 2 made', 'people: 1 made; 1 with their password', 'clients: 1 skipped, 1 updated'],
          ...['clients: 2 made', 'clients: 2 made', 'clients: none', 'people: 2 made; 1 with their password'],
        ],
        printed.join('\n'),
      );
      const clients = await server.sql('select id, suspended_at is not null as suspended from client where id = any($1)', [ids]);
      assert.deepEqual(clients.filter(({ suspended }) => suspended).length, 0);
      assert.equal(clients.length, ids.length);
      for (const [email, password] of [
        ['ada@shop.example', 'password'],
        ['ada@firm.example', 'U*U'],
      ] as const) {
        const page = await new Person(server.issuer).open('/account');
        assert.ok(!(await page.submit({ email, password })).html.includes('name="password"'), email);
      }
      const hashes = await server.sql(`select password_hash as hash from user_account where email like 'ada@%'`);
      assert.ok(
        hashes.length === 2 && hashes.every(({ hash }) => String(hash).startsWith('$argon2id$v=19$m=19456,')),
        'each hash is replaced',
      );
    });
});

/** Ends a program that a guide started, with the shell around it. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.pid === undefined) return;
  const closed = once(child, 'close');
  process.kill(-child.pid);
  await closed;
}
