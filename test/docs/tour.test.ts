import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { environmentOf, runScript } from '../support/command.ts';
import { freePort, startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { approve, type Credentials } from '../support/flow.ts';
import { Person } from '../support/person.ts';

/** What the README and docs/tour.md have a reader paste: every block, in one terminal, from the first to the last. */

const ROOT = join(import.meta.dirname, '../..');
const missing = ['bash', 'curl', 'openssl'].find((name) => spawnSync('which', [name]).status !== 0);
const skip = missing !== undefined && `no ${missing}`;

const blocksOf = (text: string, kind: string) =>
  [...text.matchAll(new RegExp(`\`\`\`${kind}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(([, block]) => String(block));

describe('What the documents have a reader paste', () => {
  let server: TestServer;
  let folder: string;
  let demo: Credentials;
  before(async () => {
    server = await startTestServer({ environment: 'development' });
    folder = await mkdtemp(join(tmpdir(), 'munjigi-tour-'));
    process.env['DATA_DIR'] = folder;
    const seeded = runScript(server, 'seed');
    assert.equal(seeded.status, 0, seeded.stderr);
    demo = JSON.parse(await readFile(join(folder, 'demo.json'), 'utf8'));
  });
  after(async () => {
    delete process.env['DATA_DIR'];
    await server.close();
    await rm(folder, { recursive: true });
  });

  /** Pastes the blocks of a page. @param answer acts on an address that the page prints. @returns what each block printed. */
  async function paste(text: string, answer?: (address: string) => Promise<void>): Promise<string[]> {
    const script = `set -e\n${blocksOf(text, 'bash').join('\necho =====\n')}`;
    const child: ChildProcess = spawn('bash', ['-c', script], { cwd: ROOT, env: environmentOf(server) });
    let [printed, complaints] = ['', ''];
    let answered: Promise<void> | undefined;
    child.stderr?.on('data', (chunk) => {
      complaints += chunk;
    });
    child.stdout?.on('data', (chunk) => {
      printed += chunk;
      const address = /http\S+\/oauth\/authorize\?\S+(?=\s)/.exec(printed)?.[0];
      if (address && answer) answered ??= answer(address);
    });
    const [code] = await once(child, 'close');
    await answered;
    assert.equal(code, 0, `${printed}\n${complaints}`);
    return printed.split('=====\n');
  }

  /** A page with the addresses and files of this test instead of a reader's. */
  const here = (text: string, port = '8976') =>
    text
      .replaceAll('http://localhost:3000', server.issuer)
      .replaceAll('.data/demo.json', join(folder, 'demo.json'))
      .replaceAll('8976', port);

  const read = (file: string) => readFile(join(ROOT, file), 'utf8');
  const lines = (text = '') => text.trim().split('\n');

  for (const file of ['README.md', 'README.ko.md'])
    it(`${file}: a token, and what introspection says of it`, { skip }, async () => {
      const text = here(await read(file));
      const [shown = ''] = blocksOf(text, 'json');
      const answer = JSON.parse((await paste(text)).at(-1) ?? '');
      assert.deepEqual({ ...answer, exp: 0, iat: 0 }, { ...JSON.parse(shown), exp: 0, iat: 0 });
    });

  for (const file of ['docs/tour.md', 'docs/tour.ko.md'])
    it(`${file}: every block does what the page shows`, { skip }, async () => {
      const port = String(await freePort());
      const text = here(await read(file), port);
      const walked = await paste(text, async (address) => {
        const parameters = await approve(server, new Person(server.issuer), demo, address);
        await eventually('the app of the page listens', () =>
          fetch(`http://127.0.0.1:${port}/callback?${parameters}`).then(
            ({ ok }) => ok,
            () => false,
          ),
        );
      });
      const [, token = '', , address = '', me = '', ended = '', posts = '', keyed = ''] = walked;
      const [shownToken, shownMe, shownKeyed] = blocksOf(text, 'json').map((block) => lines(block).map((line) => JSON.parse(line)));
      const [shownEnd, shownPosts] = blocksOf(text, 'text').map(lines);

      const [introspected, data] = lines(token).map((line) => JSON.parse(line));
      assert.deepEqual({ ...introspected, exp: 0, iat: 0 }, { ...shownToken?.[0], exp: 0, iat: 0 });
      assert.deepEqual(data, shownToken?.[1]);
      assert.match(address, /code_challenge_method=S256/);
      assert.deepEqual({ ...JSON.parse(me), id: '…' }, shownMe?.[0]);
      assert.deepEqual(ended.replaceAll('\r', '').trim().split('\n'), shownEnd);
      const withoutIds = lines(posts).map((line) => line.replace(/"id":"[^"]+"/g, '"id":"…"'));
      assert.deepEqual([withoutIds[0], withoutIds.at(-1)], [shownPosts?.[0], shownPosts?.at(-1)]);
      assert.ok(withoutIds[1]?.includes(String(shownPosts?.[0])));
      assert.deepEqual({ ...JSON.parse(keyed), access_token: '…' }, shownKeyed?.[0]);
    });
});
