import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { startPostgres } from '../../scripts/bootstrap/postgres.mjs';

const ROOT = join(import.meta.dirname, '../..');
const PROGRAM = join(ROOT, 'bin/munjigi');

/** Nodes of this machine beside the one that runs the tests. */
function otherNodes(): { path: string; major: number }[] {
  const paths = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'node'));
  return [...new Set(paths)].flatMap((path) => {
    const { status, stdout } = spawnSync(path, ['--version'], { encoding: 'utf8' });
    return status === 0 ? [{ path, major: Number(/^v(\d+)/.exec(stdout)?.[1]) }] : [];
  });
}

describe('bin/munjigi without DATABASE_URL', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'munjigi-fresh-'));
  after(() => rmSync(dataDir, { recursive: true, force: true }));

  const { DATABASE_URL: _, DATABASE_URL_FILE: __, NODE_ENV: ___, ...rest } = process.env;
  const environment = { ...rest, DATA_DIR: dataDir, PORT: '0' };
  const run = (path: string | undefined, ...args: string[]) =>
    spawnSync(PROGRAM, args, { encoding: 'utf8', input: '', env: { ...environment, ...(path ? { PATH: path } : undefined) } });

  it('makes the database of a fresh DATA_DIR, answers on stdout alone, and stops it afterwards', async () => {
    const { status, stdout, stderr } = run(undefined, 'people', 'list', '--json');
    assert.equal(status, 0, stderr);
    assert.deepEqual(JSON.parse(stdout), []);
    assert.match(stderr, /creating the database/);
    const postgres = await startPostgres(dataDir);
    assert.equal(postgres.started, true, 'no PostgreSQL was left running');
    try {
      const again = run(undefined, 'people', 'create', '--email', 'gildong@people.example', '--name', '홍길동', '--json');
      assert.equal(again.status, 0, again.stderr);
      assert.equal(JSON.parse(run(undefined, 'people', 'list', '--json').stdout)[0].email, 'gildong@people.example');
      assert.equal((await startPostgres(dataDir)).started, false, 'the one that ran is used, and runs on');
    } finally {
      await postgres.stop();
    }
  });

  it('works on a host whose own Node is 20', (test) => {
    const old = otherNodes().find(({ major }) => major >= 20 && major < 24);
    if (!old) return test.skip('this machine has no Node 20 to 23');
    const { status, stdout, stderr } = run([join(old.path, '..'), '/usr/bin', '/bin'].join(delimiter), 'people', '--help');
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^Usage: munjigi people VERB/);
  });

  it('has a bootstrap of plain JavaScript, as Node 20 reads it', () => {
    const files = ['munjigi.mjs', ...['dependencies', 'node', 'postgres', 'free-port', 'say'].map((name) => `bootstrap/${name}.mjs`)];
    for (const file of files) {
      const path = join(ROOT, 'scripts', file);
      execFileSync(process.execPath, ['--check', path]);
      // What parses on newer Nodes alone: explicit resource management, import attributes in the newest form, and regular expression modifiers.
      assert.doesNotMatch(readFileSync(path, 'utf8'), /^\s*(await )?using \w+ =|import defer|\(\?[ims]+:/m, file);
    }
    execFileSync('sh', ['-n', PROGRAM]);
  });
});
