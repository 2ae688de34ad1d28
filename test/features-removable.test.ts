import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { createDatabase } from './support/environment.ts';
import {
  callApi,
  clientCredentials,
  createResourceServerClient,
  introspect,
  obtainTokens,
  post,
  refresh,
  type Tokens,
} from './support/flow.ts';
import { createHouse, type TestProcess } from './support/processes.ts';

/**
 * A feature leaves with its folder and its line in src/features.ts: in a copy of the tree without it the types hold, and the main flow runs. Below
 * the project's folder, so that the copy finds its packages.
 */

const ROOT = resolve(import.meta.dirname, '..');
const FEATURES = readdirSync(join(ROOT, 'src/features'));
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc');

describe('The server without', () => {
  let copies: string;

  before(() => {
    mkdirSync(join(ROOT, '.data'), { recursive: true });
    copies = mkdtempSync(join(ROOT, '.data/without-'));
  });
  after(() => rmSync(copies, { recursive: true }));

  /** A copy of the tree without these features. */
  function copyWithout(names: string[]): string {
    const copy = join(copies, names.length === 1 ? String(names[0]) : 'any');
    cpSync(join(ROOT, 'src'), join(copy, 'src'), { recursive: true });
    for (const folder of ['views', 'package.json']) symlinkSync(join(ROOT, folder), join(copy, folder));
    writeFileSync(join(copy, 'tsconfig.json'), JSON.stringify({ extends: join(ROOT, 'tsconfig.json'), include: ['src'] }));
    const list = join(copy, 'src/features.ts');
    for (const name of names) {
      rmSync(join(copy, 'src/features', name), { recursive: true });
      const text = readFileSync(list, 'utf8');
      const known = new RegExp(`^import \\{ (\\w+) \\} from './features/${name}/feature.ts';\n`, 'm').exec(text);
      if (known) writeFileSync(list, text.replace(known[0], '').replace(new RegExp(`^  ${known[1]}, .*\n`, 'm'), ''));
    }
    return copy;
  }

  async function assertTypes(copy: string): Promise<void> {
    const { stdout } = await promisify(execFile)(process.execPath, [TSC, '-p', copy]).catch((error) => error as { stdout: string });
    assert.equal(stdout, '');
  }

  /** Signs in, consents, redeems the code, refreshes, introspects, calls an API, revokes. */
  async function assertMainFlow(copy: string): Promise<void> {
    const database = await createDatabase();
    const house = await createHouse(database.url);
    try {
      const server: TestProcess = await house.start({}, copy);
      const [client, api, person] = [await server.createClient(), await createResourceServerClient(server), await server.createPerson()];
      const first = await obtainTokens(server, client, person, { scope: 'openid profile email offline_access', prompt: 'consent' });
      const again = (await (await refresh(server, client, String(first.refresh_token))).json()) as Tokens;
      assert.equal((await introspect(server, api, again.access_token))['active'], true);
      assert.equal((await callApi(server, '/api/me', again.access_token)).status, 200);
      assert.equal((await post(server, '/oauth/revoke', client, { token: again.access_token })).status, 200);
      assert.equal((await introspect(server, api, again.access_token))['active'], false);
      assert.equal((await callApi(server, '/api/me', again.access_token)).status, 401);
      assert.ok((await clientCredentials(server, client, 'api')).access_token);
      assert.deepEqual(
        server.logLines().filter((line) => line.includes('"level":50')),
        [],
      );
    } finally {
      await house.close();
      await database.drop();
    }
  }

  it('is tried for every folder of src/features', () => {
    assert(FEATURES.length >= 9);
    const listed = readFileSync(join(ROOT, 'src/features.ts'), 'utf8');
    for (const name of FEATURES) assert.match(listed, new RegExp(`'./features/${name}/feature.ts'`));
  });

  for (const name of FEATURES)
    it(name, async () => {
      const copy = copyWithout([name]);
      await assertTypes(copy);
      await assertMainFlow(copy);
    });

  it('any feature at all', async () => {
    const copy = copyWithout(FEATURES);
    await assertTypes(copy);
    await assertMainFlow(copy);
  });
});
