import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { ConfigError, readConfig } from '../../src/platform/config.ts';

const folder = mkdtempSync(join(tmpdir(), 'munjigi-config-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const DATABASE_URL = 'postgres://u:p@db/name';
const SECRETS = { COOKIE_KEYS: 'c'.repeat(32), DATA_ENCRYPTION_KEYS: Buffer.alloc(32, 7).toString('base64url') };

const problems = (environment: Record<string, string>) => {
  try {
    readConfig(environment);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.problems;
  }
  return [];
};

describe('Configuration', () => {
  it('in development needs a database alone, and makes secrets once, readable by their owner alone', () => {
    const environment = { DATABASE_URL, DATA_DIR: folder };
    const config = readConfig(environment);
    assert.equal(config.issuer, 'http://localhost:3000');
    assert.equal(config.host, '127.0.0.1');
    assert.deepEqual(readConfig(environment).cookieKeys, config.cookieKeys);
    assert.equal(statSync(join(folder, 'secrets.json')).mode & 0o777, 0o600);
    assert.ok(readFileSync(join(folder, 'secrets.json'), 'utf8').includes(config.cookieKeys[0] as string));
  });

  it('in production takes secrets from the environment alone, and an https issuer', () => {
    const production = { NODE_ENV: 'production', DATABASE_URL, ...SECRETS };
    assert.deepEqual(problems({ ...production, ISSUER: 'https://auth.example.com' }), []);
    assert.equal(readConfig({ ...production, ISSUER: 'https://auth.example.com' }).host, '0.0.0.0');
    assert.match(problems({ ...production, ISSUER: 'http://auth.example.com' }).join(), /https/);
    assert.equal(problems({ NODE_ENV: 'production', DATABASE_URL }).length, 3);
  });

  it('reads NAME_FILE in the place of NAME, and not both', () => {
    const file = join(folder, 'keys');
    writeFileSync(file, `${'a'.repeat(32)},${'b'.repeat(32)}\n`);
    const { COOKIE_KEYS: _, ...rest } = { ...SECRETS, DATABASE_URL };
    assert.deepEqual(readConfig({ ...rest, COOKIE_KEYS_FILE: file }).cookieKeys, ['a'.repeat(32), 'b'.repeat(32)]);
    assert.match(problems({ ...rest, ...SECRETS, COOKIE_KEYS_FILE: file }).join(), /both set/);
    assert.match(problems({ ...rest, COOKIE_KEYS_FILE: join(folder, 'none') }).join(), /cannot be read/);
  });

  it('names every problem at once', () => {
    const all = problems({
      ...SECRETS,
      PORT: '70000',
      ISSUER: 'https://a.example/path',
      DATABASE_URL: 'mysql://x',
      LOG_LEVEL: 'loud',
      TRUST_PROXY: 'everyone',
      NODE_ENV: 'staging',
      WEB_CONCURRENCY: 'auto',
    });
    for (const name of ['PORT', 'ISSUER', 'DATABASE_URL', 'LOG_LEVEL', 'TRUST_PROXY', 'NODE_ENV', 'WEB_CONCURRENCY'])
      assert.ok(
        all.some((problem) => problem.startsWith(name)),
        `${name} is not named in ${all}`,
      );
  });

  it('runs one process unless told otherwise, and up to 64', () => {
    assert.equal(readConfig({ DATABASE_URL, ...SECRETS }).workers, 1);
    assert.equal(readConfig({ DATABASE_URL, ...SECRETS, WEB_CONCURRENCY: '64' }).workers, 64);
    for (const wrong of ['0', '-1', '65', '1.5', 'many'])
      assert.match(problems({ DATABASE_URL, ...SECRETS, WEB_CONCURRENCY: wrong }).join(), /^WEB_CONCURRENCY must be /, wrong);
  });

  it('refuses short keys', () => {
    assert.match(problems({ DATABASE_URL, ...SECRETS, COOKIE_KEYS: 'short' }).join(), /32 characters/);
    assert.match(problems({ DATABASE_URL, ...SECRETS, DATA_ENCRYPTION_KEYS: 'c2hvcnQ' }).join(), /32 bytes/);
  });
});
