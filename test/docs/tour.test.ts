import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { environmentOf } from '../support/command.ts';
import { blocksOf, lacks, type Reader, ROOT, startReading } from '../support/documents.ts';
import { freePort } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { approve } from '../support/flow.ts';
import { Person } from '../support/person.ts';

/** What the README and docs/tour.md have a reader paste: every block, in one terminal, from the first to the last. */

const skip = lacks('bash', 'curl', 'openssl');
const lines = (text = '') => text.trim().split('\n');

describe('What the documents have a reader paste', () => {
  let reader: Reader;
  before(async () => {
    reader = await startReading();
  });
  after(() => reader.close());

  /** Pastes the blocks of a page. @param answer acts on an address that the page prints. @returns what each block printed. */
  async function paste(text: string, answer?: (address: string) => Promise<void>): Promise<string[]> {
    const script = `set -e\n${blocksOf(text, 'bash').join('\necho =====\n')}`;
    const child: ChildProcess = spawn('bash', ['-c', script], { cwd: ROOT, env: environmentOf(reader.server) });
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

  for (const file of ['README.md', 'README.ko.md'])
    it(`${file}: a token, and what introspection says of it`, { skip }, async () => {
      const text = await reader.read(file);
      const [shown = ''] = blocksOf(text, 'json');
      const answer = JSON.parse((await paste(text)).at(-1) ?? '');
      assert.deepEqual({ ...answer, exp: 0, iat: 0 }, { ...JSON.parse(shown), exp: 0, iat: 0 });
    });

  for (const file of ['docs/tour.md', 'docs/tour.ko.md'])
    it(`${file}: every block does what the page shows`, { skip }, async () => {
      const { server, demo } = reader;
      const port = String(await freePort());
      const text = await reader.read(file, { 8976: port });
      const walked = await paste(text, async (address) => {
        const parameters = await approve(server, new Person(server.issuer), demo, address);
        await eventually('the app of the page listens', () =>
          fetch(`http://127.0.0.1:${port}/callback?${parameters}`).then(
            ({ ok }) => ok,
            () => false,
          ),
        );
      });
      const [, token, , address, me = '', ended = '', posts, keyed = ''] = walked;
      const [shownToken, shownMe, shownKeyed] = blocksOf(text, 'json').map((block) => lines(block).map((line) => JSON.parse(line)));
      const [shownEnd, shownPosts] = blocksOf(text, 'text').map(lines);

      const [introspected, data] = lines(token).map((line) => JSON.parse(line));
      assert.deepEqual({ ...introspected, exp: 0, iat: 0 }, { ...shownToken?.[0], exp: 0, iat: 0 });
      assert.deepEqual(data, shownToken?.[1]);
      assert.match(String(address), /code_challenge_method=S256/);
      assert.deepEqual({ ...JSON.parse(me), id: '…' }, shownMe?.[0]);
      assert.deepEqual(lines(ended.replaceAll('\r', '')), shownEnd);
      const withoutIds = lines(posts).map((line) => line.replace(/"id":"[^"]+"/g, '"id":"…"'));
      assert.deepEqual([withoutIds[0], withoutIds.at(-1)], [shownPosts?.[0], shownPosts?.at(-1)]);
      assert(withoutIds[1]?.includes(String(shownPosts?.[0])), 'the post is in the list');
      assert.deepEqual({ ...JSON.parse(keyed), access_token: '…' }, shownKeyed?.[0]);
    });
});
