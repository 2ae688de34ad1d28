import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { readConfig } from '../../src/platform/config.ts';

const SCRIPTS = join(import.meta.dirname, '../..');
const DATABASE_URL = 'postgres://app:hunter2-in-the-path@db.example:5432/munjigi?password=hunter2-in-the-query';
const KEYS = { COOKIE_KEYS: `${'c'.repeat(32)},${'d'.repeat(32)}`, DATA_ENCRYPTION_KEYS: Buffer.alloc(32, 7).toString('base64url') };

describe('munjigi config', () => {
  const folder = mkdtempSync(join(tmpdir(), 'munjigi-config-'));
  const dataDir = join(folder, 'data');
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** With this environment and no other variable. */
  const run = (script: string, environment: Record<string, string>, ...args: string[]) =>
    spawnSync(process.execPath, [join(SCRIPTS, script), ...args], { encoding: 'utf8', input: '', cwd: folder, env: environment });
  const config = (environment: Record<string, string>, ...args: string[]) => run('scripts/munjigi.ts', environment, 'config', ...args);
  const lineOf = (stdout: string, name: string) => new RegExp(`^${name} .*$`, 'm').exec(stdout)?.[0].replace(/ +/g, ' ');

  it('lists all that is wrong at once, as the server does when it starts', () => {
    const wrong = { NODE_ENV: 'production', PORT: 'many', TRUST_PROXY: 'nowhere', COOKIE_KEYS: 'short', DATA_DIR: dataDir };
    for (const command of ['check', 'print']) {
      const { status, stdout, stderr } = config(wrong, command);
      assert.deepEqual([status, stdout], [1, '']);
      for (const name of ['PORT', 'TRUST_PROXY', 'COOKIE_KEYS', 'DATABASE_URL', 'ISSUER', 'SMTP_URL', 'DATA_ENCRYPTION_KEYS'])
        assert.match(stderr, new RegExp(`^  - ${name} `, 'm'));
      const problems = (text: string) => text.split('\n').filter((line) => line.startsWith('  - '));
      assert.deepEqual(problems(stderr), problems(run('src/main.ts', wrong).stderr));
    }
    assert(!existsSync(dataDir));
  });

  it('says that nothing is wrong, and makes nothing', () => {
    const { status, stdout, stderr } = config({ DATABASE_URL, DATA_DIR: dataDir }, 'check');
    assert.equal(status, 0, stderr);
    assert.equal(stdout, 'the configuration has no problems\n');
    assert(!existsSync(dataDir), 'secrets are for the server to make');
  });

  it('shows each value and where it comes from, and no secret', () => {
    const smtp = join(folder, 'smtp');
    writeFileSync(smtp, 'smtps://relay:hunter2-of-mail@mail.example.com\n');
    const environment = { DATABASE_URL, DATA_DIR: dataDir, SMTP_URL_FILE: smtp, PORT: '8080', COOKIE_KEYS: KEYS.COOKIE_KEYS };
    const { status, stdout, stderr } = config(environment, 'print');
    assert.equal(status, 0, stderr);
    for (const line of [
      'PORT 8080 environment',
      'ISSUER http://localhost:8080 default',
      'HOST 127.0.0.1 default',
      'REGISTRATION_LIMIT 60 default',
      'REGISTRATION_NETWORKS - default',
      'TERMS_URL - default',
      'DATABASE_URL postgres://app:***@db.example:5432/munjigi?password=*** environment',
      `SMTP_URL smtps://relay:***@mail.example.com file ${smtp}`,
      'COOKIE_KEYS (2 keys, not shown) environment',
      'DATA_ENCRYPTION_KEYS (1 key, not shown) to be made in DATA_DIR',
    ])
      assert.equal(lineOf(stdout, line.split(' ')[0] as string), line);
    assert.doesNotMatch(stdout, /hunter2|cccc/);
    assert(!existsSync(dataDir));
  });

  it('shows the secrets that the server made as made in DATA_DIR, and says so when they cannot be read', () => {
    const environment = { DATABASE_URL, DATA_DIR: dataDir };
    readConfig(environment);
    const file = join(dataDir, 'secrets.json');
    const made = readFileSync(file, 'utf8');
    const { stdout } = config(environment, 'print');
    assert.equal(lineOf(stdout, 'COOKIE_KEYS'), 'COOKIE_KEYS (1 key, not shown) made in DATA_DIR');
    for (const secret of Object.values(JSON.parse(made)) as string[]) assert(!stdout.includes(secret));
    writeFileSync(file, '{');
    const broken = config(environment, 'check');
    assert.equal(broken.status, 1);
    assert.match(broken.stderr, /DATA_DIR: .*secrets\.json cannot be read/);
    assert.equal(readFileSync(file, 'utf8'), '{', 'nothing took its place');
  });

  it('shows nothing of an address in which a password may be anywhere', () => {
    for (const address of [
      'postgres://app:12#hunter2@db/x',
      'postgres://app:12?hunter2@db/x',
      'postgres://app:12/hunter2@db/x',
      'postgres://app:12,hunter2/@one,two/x',
      'postgres://app:hunter2@one,two/x',
      'postgres://app:12@hunter2,3@one,two/x',
    ]) {
      const { stdout, stderr } = config({ DATABASE_URL: address, ...KEYS }, 'print');
      const line = lineOf(stdout, 'DATABASE_URL') ?? 'DATABASE_URL (not shown) environment';
      assert.match(line, /^DATABASE_URL (\(not shown\)|postgres:\/\/app:\*\*\*@one,two\/x) environment$/, address);
      assert.doesNotMatch(stdout + stderr, /hunter2/);
    }
  });

  it('shows several hosts, and not the password before them', () => {
    const address = 'postgres://app:hunter2@one:5432,[::1]:6543/x?target_session_attrs=primary';
    assert.equal(
      lineOf(config({ DATABASE_URL: address, ...KEYS }, 'print').stdout, 'DATABASE_URL'),
      'DATABASE_URL postgres://app:***@one:5432,[::1]:6543/x?target_session_attrs=*** environment',
    );
  });

  it('shows every variable that there is', () => {
    const names = [...readFileSync(join(SCRIPTS, 'src/platform/config-schema.ts'), 'utf8').matchAll(/^ {2}([A-Z][A-Z_]+): /gm)].map(
      ([, name]) => name,
    );
    const { stdout } = config({ DATABASE_URL, ...KEYS }, 'print');
    assert(names.length > 10);
    assert.deepEqual(
      stdout
        .trim()
        .split('\n')
        .slice(1)
        .map((line) => line.split(' ')[0])
        .sort(),
      names.sort(),
    );
  });

  it('explains itself, and takes no other order', () => {
    assert.equal(config({}, '--help').status, 0);
    for (const args of [[], ['make'], ['check', 'print'], ['check', '--yes']]) assert.equal(config({ DATABASE_URL }, ...args).status, 2);
  });
});
