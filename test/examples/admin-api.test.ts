import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { PROBLEMS } from '../../src/features/admin/api/problem.ts';
import { ADMIN_SCOPES } from '../../src/oauth/scopes/admin-scopes.ts';
import { environmentOf } from '../support/command.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';

const ROOT = join(import.meta.dirname, '../..');
const missing = ['bash', 'curl', 'awk'].find((name) => spawnSync('which', [name]).status !== 0);

/** What the guide has a reader paste, in one terminal, from the first block to the last, in both languages. */
for (const file of ['docs/guides/admin-api.md', 'docs/guides/admin-api.ko.md'])
  describe(file, () => {
    let server: TestServer;
    let text: string;
    before(async () => {
      server = await startTestServer();
      text = await readFile(join(ROOT, file), 'utf8');
    });
    after(() => server.close());

    it('does what it says, as it is printed', { skip: missing !== undefined && `no ${missing}` }, async () => {
      const blocks = [...text.matchAll(/```bash\n([\s\S]*?)```/g)].map(([, block]) => block);
      const script = `set -e\n${blocks.join('\necho =====\n')}`;
      const { stdout, stderr } = await promisify(execFile)('bash', ['-c', script], { cwd: ROOT, env: environmentOf(server) });
      const [allowed = '', , pages = '', once = '', suspended = '', refused = '', told = ''] = stdout.split('=====\n');
      const [, client] = /^Done: clients allow-admin-scopes (\S+)$/m.exec(allowed) ?? [];
      assert.deepEqual(
        await server.sql('select admin_scopes from client where id = $1', [client]),
        [{ admin_scopes: ['admin:read', 'admin:clients', 'admin:audit'] }],
        stderr,
      );
      const [first, second] = pages
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      assert.equal(first.data.length, 1);
      assert(second.data[0].id > first.data[0].id);
      assert.equal(once, 'done once\n');
      assert.equal((await server.sql(`select count(*)::int as n from initial_access_token where name = 'Partner'`))[0]?.['n'], 1);
      const { id } = JSON.parse(suspended);
      assert((await server.sql('select suspended_at from client where id = $1', [id]))[0]?.['suspended_at']);
      const problem = JSON.parse(refused);
      const [printed] = [...text.matchAll(/```json\n([\s\S]*?)```/g)].map(([, json]) => JSON.parse(String(json)));
      assert.deepEqual(Object.keys(printed), Object.keys(problem));
      assert.equal(printed.type.split('#')[1], problem.type.split('#')[1]);
      assert.deepEqual([printed.title, printed.status], [problem.title, problem.status]);
      assert.deepEqual(
        JSON.parse(told).data.map(({ type }: { type: string }) => type),
        ['client_suspended', 'client_made'],
      );
    });

    it('names every scope, and no problem that there is not', () => {
      for (const scope of ADMIN_SCOPES) assert(text.includes(`| \`${scope}\` |`), scope);
      for (const [, code = ''] of text.matchAll(/\(`([a-z_]+)`\)/g)) assert(Object.hasOwn(PROBLEMS, code), code);
    });
  });
