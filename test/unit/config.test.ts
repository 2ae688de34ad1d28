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
  it('needs only a database in development, and creates secrets once that only their owner can read', () => {
    const environment = { DATABASE_URL, DATA_DIR: folder };
    const config = readConfig(environment);
    assert.equal(config.issuer, 'http://localhost:3000');
    assert.equal(config.host, '127.0.0.1');
    assert.deepEqual(readConfig(environment).cookieKeys, config.cookieKeys);
    assert.equal(statSync(join(folder, 'secrets.json')).mode & 0o777, 0o600);
    assert.ok(readFileSync(join(folder, 'secrets.json'), 'utf8').includes(config.cookieKeys[0] as string));
  });

  it('takes secrets only from the environment in production, and needs an https issuer', () => {
    const production = { NODE_ENV: 'production', DATABASE_URL, SMTP_URL: 'smtps://u:p@mail.example.com', ...SECRETS };
    const TRUST_PROXY = '10.0.0.0/8';
    assert.deepEqual(problems({ ...production, ISSUER: 'https://auth.example.com', TRUST_PROXY }), []);
    assert.equal(readConfig({ ...production, ISSUER: 'https://auth.example.com', TRUST_PROXY }).host, '0.0.0.0');
    assert.match(problems({ ...production, ISSUER: 'http://auth.example.com' }).join(), /https/);
    assert.equal(problems({ NODE_ENV: 'production', DATABASE_URL }).length, 4);
  });

  it('needs a direct database address beside a pooler, and refuses database options that it does not support', () => {
    const base = { ...SECRETS, DATABASE_URL };
    assert.equal(readConfig(base).databaseDirectUrl, DATABASE_URL);
    assert.equal(readConfig(base).databaseWaitSeconds, 60);
    const pooled = 'postgres://u:p@pooler:6432/name?pgbouncer=true';
    assert.equal(readConfig({ ...SECRETS, DATABASE_URL: pooled, DATABASE_DIRECT_URL: DATABASE_URL }).databaseDirectUrl, DATABASE_URL);
    assert.match(
      problems({ ...SECRETS, DATABASE_URL: pooled }).join(),
      /^DATABASE_DIRECT_URL is required where DATABASE_URL has pgbouncer=true/,
    );
    assert.match(
      problems({ ...SECRETS, DATABASE_URL: pooled, DATABASE_DIRECT_URL: pooled }).join(),
      /^DATABASE_DIRECT_URL must lead past the pooler/,
    );
    assert.match(problems({ ...base, DATABASE_WAIT_SECONDS: '-1' }).join(), /^DATABASE_WAIT_SECONDS must be/);
    for (const query of ['sslmode=verify-ca', 'sslmode=allow', 'target_session_attrs=standby', 'sslrootcert=/nowhere/ca.pem'])
      assert.match(problems({ ...SECRETS, DATABASE_URL: `${DATABASE_URL}?${query}` }).join(), /^DATABASE_URL (says|has|names) /, query);
  });

  it('needs in production with an https issuer the proxy that ends TLS, or `none`', () => {
    const production = { NODE_ENV: 'production', DATABASE_URL, SMTP_URL: 'smtps://u:p@mail.example.com', ...SECRETS };
    const ISSUER = 'https://auth.example.com';
    assert.match(problems({ ...production, ISSUER }).join(), /^TRUST_PROXY is required with an https ISSUER: .* or say none/);
    assert.match(problems({ ...production, ISSUER, TRUST_PROXY: '' }).join(), /^TRUST_PROXY is required/);
    for (const wrong of ['all', 'none,10.0.0.1', '*', 'true', '10.0.0.0/33'])
      assert.match(problems({ ...production, ISSUER, TRUST_PROXY: wrong }).join(), /^TRUST_PROXY must list addresses/, wrong);
    assert.deepEqual(readConfig({ ...production, ISSUER, TRUST_PROXY: 'none' }).trustedProxies, []);
    assert.deepEqual(readConfig({ ...production, ISSUER, TRUST_PROXY: '10.0.0.1, fd00::/8' }).trustedProxies, ['10.0.0.1', 'fd00::/8']);
    assert.deepEqual(readConfig({ ...production, ISSUER: 'http://localhost:3000' }).trustedProxies, []);
  });

  it('accepts only loopback issuers outside of production, unless DEVELOPMENT_IN_PUBLIC is set', () => {
    const base = { ...SECRETS, DATABASE_URL };
    for (const NODE_ENV of ['development', 'test'])
      for (const ISSUER of [
        'https://auth.example.com',
        'http://auth.example.com',
        'http://192.168.0.7:3000',
        'https://localhost',
        'http://localhost.evil.example',
      ]) {
        assert.match(
          problems({ ...base, NODE_ENV, ISSUER }).join(),
          /^ISSUER is an address that others reach, .*DEVELOPMENT_IN_PUBLIC=1/,
          ISSUER,
        );
        assert.match(problems({ ...base, NODE_ENV, ISSUER, DEVELOPMENT_IN_PUBLIC: '0' }).join(), /^ISSUER is/, ISSUER);
        assert.equal(readConfig({ ...base, NODE_ENV, ISSUER, DEVELOPMENT_IN_PUBLIC: '1' }).issuer, ISSUER);
      }
    for (const ISSUER of ['http://localhost:3000', 'http://127.0.0.1:3000', 'http://[::1]', 'http://munjigi.localhost'])
      assert.deepEqual(problems({ ...base, ISSUER }), [], ISSUER);
    assert.match(problems({ ...base, DEVELOPMENT_IN_PUBLIC: 'yes' }).join(), /^DEVELOPMENT_IN_PUBLIC must be 1 or 0/);
  });

  it('reads NAME_FILE instead of NAME, and refuses both', () => {
    const file = join(folder, 'keys');
    writeFileSync(file, `${'a'.repeat(32)},${'b'.repeat(32)}\n`);
    const { COOKIE_KEYS: _, ...rest } = { ...SECRETS, DATABASE_URL };
    assert.deepEqual(readConfig({ ...rest, COOKIE_KEYS_FILE: file }).cookieKeys, ['a'.repeat(32), 'b'.repeat(32)]);
    assert.match(problems({ ...rest, ...SECRETS, COOKIE_KEYS_FILE: file }).join(), /both set/);
    assert.match(problems({ ...rest, COOKIE_KEYS_FILE: join(folder, 'none') }).join(), /cannot be read/);
  });

  it('waits three seconds before it stops listening, or DRAIN_SECONDS', () => {
    const base = { ...SECRETS, DATABASE_URL };
    assert.equal(readConfig(base).drainSeconds, 3);
    assert.equal(readConfig({ ...base, DRAIN_SECONDS: '0' }).drainSeconds, 0);
    for (const wrong of ['-1', '301', '1.5', 'long'])
      assert.match(problems({ ...base, DRAIN_SECONDS: wrong }).join(), /^DRAIN_SECONDS must be/, wrong);
  });

  it('makes a new key wait for an hour and rotates a signing key after 90 days by default', () => {
    const base = { ...SECRETS, DATABASE_URL };
    assert.deepEqual([readConfig(base).keyDelayMinutes, readConfig(base).signingKeyDays], [60, 90]);
    const told = readConfig({ ...base, KEY_DELAY_MINUTES: '0', SIGNING_KEY_DAYS: '0' });
    assert.deepEqual([told.keyDelayMinutes, told.signingKeyDays], [0, 0]);
    for (const name of ['KEY_DELAY_MINUTES', 'SIGNING_KEY_DAYS'])
      for (const wrong of ['-1', '0.5', 'long']) assert.match(problems({ ...base, [name]: wrong }).join(), new RegExp(`^${name} must be`));
  });

  it('has optional terms and privacy pages', () => {
    const base = { ...SECRETS, DATABASE_URL };
    assert.deepEqual([readConfig(base).termsUrl, readConfig(base).privacyUrl], [undefined, undefined]);
    const pages = { TERMS_URL: 'https://a.example/terms', PRIVACY_URL: 'https://a.example/privacy?lang=ko' };
    const config = readConfig({ ...base, ...pages });
    assert.deepEqual([config.termsUrl, config.privacyUrl], Object.values(pages));
    for (const name of Object.keys(pages))
      for (const wrong of ['terms', '/terms', 'javascript:alert(1)'])
        assert.match(problems({ ...base, [name]: wrong }).join(), new RegExp(name));
  });

  it('has an optional support address: a page or a mailbox', () => {
    const base = { ...SECRETS, DATABASE_URL };
    assert.equal(readConfig(base).supportUrl, undefined);
    for (const SUPPORT_URL of ['https://a.example/help', 'mailto:help@a.example'])
      assert.equal(readConfig({ ...base, SUPPORT_URL }).supportUrl, SUPPORT_URL);
    for (const wrong of ['help@a.example', 'javascript:alert(1)', 'mailto:', 'mailto:a@b?body=x'])
      assert.match(problems({ ...base, SUPPORT_URL: wrong }).join(), /^SUPPORT_URL must be/, wrong);
  });

  it('opens registration in development, and requires a token in production by default', () => {
    const base = { ...SECRETS, DATABASE_URL };
    const issuer = { ISSUER: 'https://auth.example.com', TRUST_PROXY: 'none' };
    const production = { ...base, ...issuer, NODE_ENV: 'production', SMTP_URL: 'smtps://mail.example.com' };
    assert.deepEqual([readConfig(base).registration, readConfig(production).registration], ['open', 'token']);
    for (const environment of [base, production])
      for (const REGISTRATION of ['open', 'token', 'closed'])
        assert.equal(readConfig({ ...environment, REGISTRATION }).registration, REGISTRATION);
    for (const wrong of ['true', 'Open', 'token,closed'])
      assert.match(problems({ ...base, REGISTRATION: wrong }).join(), /^REGISTRATION must be open, token or closed$/, wrong);
  });

  it('has a registration limit per network, and exceptions for single networks', () => {
    const base = { ...SECRETS, DATABASE_URL };
    const { registrationLimit, registrationNetworks } = readConfig(base);
    assert.deepEqual([registrationLimit, registrationNetworks], [60, []]);
    const set = readConfig({
      ...base,
      REGISTRATION_LIMIT: '500',
      REGISTRATION_NETWORKS: '203.0.113.0/24=5000, 2001:db8::/32 = 7,192.0.2.1=9',
    });
    assert.equal(set.registrationLimit, 500);
    assert.deepEqual(set.registrationNetworks, [
      { network: '203.0.113.0/24', most: 5000 },
      { network: '2001:db8::/32', most: 7 },
      { network: '192.0.2.1', most: 9 },
    ]);
    for (const wrong of ['0', '-1', '1.5', 'many', '1000001'])
      assert.match(problems({ ...base, REGISTRATION_LIMIT: wrong }).join(), /^REGISTRATION_LIMIT must be /, wrong);
    for (const wrong of [
      '203.0.113.0/24',
      '203.0.113.0/24=0',
      '203.0.113.0/33=5',
      'example.com=5',
      '203.0.113.0/24=5=6',
      '203.0.113.0/24=x',
    ])
      assert.match(problems({ ...base, REGISTRATION_NETWORKS: wrong }).join(), /^REGISTRATION_NETWORKS must list networks/, wrong);
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

  it('runs one process by default, and at most 64', () => {
    assert.equal(readConfig({ DATABASE_URL, ...SECRETS }).workers, 1);
    assert.equal(readConfig({ DATABASE_URL, ...SECRETS, WEB_CONCURRENCY: '64' }).workers, 64);
    for (const wrong of ['0', '-1', '65', '1.5', 'many'])
      assert.match(problems({ DATABASE_URL, ...SECRETS, WEB_CONCURRENCY: wrong }).join(), /^WEB_CONCURRENCY must be /, wrong);
  });

  it('lets the admin API listen on its own port, on loopback by default, and never on PORT', () => {
    const { adminPort, adminHost } = readConfig({ DATABASE_URL, ...SECRETS, ADMIN_PORT: '3001' });
    assert.deepEqual([adminPort, adminHost], [3001, '127.0.0.1']);
    assert.equal(readConfig({ DATABASE_URL, ...SECRETS }).adminPort, undefined);
    assert.equal(readConfig({ DATABASE_URL, ...SECRETS, ADMIN_PORT: '3001', ADMIN_HOST: '10.0.0.1' }).adminHost, '10.0.0.1');
    for (const wrong of ['-1', '65536', 'x', '3000'])
      assert.match(problems({ DATABASE_URL, ...SECRETS, ADMIN_PORT: wrong }).join(), /^ADMIN_PORT must be /, wrong);
  });

  it('has an origin for the admin pages, by default localhost with ADMIN_PORT, and never the issuer', () => {
    const given = { DATABASE_URL, ...SECRETS, ADMIN_PORT: '3001' };
    assert.equal(readConfig({ DATABASE_URL, ...SECRETS }).adminOrigin, undefined);
    assert.equal(readConfig(given).adminOrigin, 'http://localhost:3001');
    for (const right of ['https://admin.example.com', 'https://admin.example.com:8443', 'http://127.0.0.1:9000', 'http://admin.localhost'])
      assert.equal(readConfig({ ...given, ADMIN_ORIGIN: right }).adminOrigin, right);
    for (const wrong of [
      'http://admin.example.com',
      'https://admin.example.com/',
      'https://admin.example.com/admin',
      'admin',
      'ftp://localhost',
    ])
      assert.match(problems({ ...given, ADMIN_ORIGIN: wrong }).join(), /^ADMIN_ORIGIN must /, wrong);
    for (const [of, said] of [
      [{ ...given, ADMIN_ORIGIN: 'http://localhost:3000' }, /^ADMIN_ORIGIN must be another than ISSUER$/],
      [{ ...given, ISSUER: 'http://localhost:3001' }, /^ADMIN_ORIGIN must be another than ISSUER$/],
      [{ DATABASE_URL, ...SECRETS, ADMIN_ORIGIN: 'https://admin.example.com' }, /^ADMIN_ORIGIN needs ADMIN_PORT/],
    ] as const)
      assert.match(problems(of).join('\n'), said);
  });

  it("takes a mail relay as a URL, and derives the sender from the issuer's host by default", () => {
    const development = { DATABASE_URL, ...SECRETS };
    assert.equal(readConfig(development).smtpUrl, undefined);
    const elsewhere = { ISSUER: 'https://auth.example.com', DEVELOPMENT_IN_PUBLIC: '1' };
    assert.equal(readConfig({ ...development, ...elsewhere }).mailFrom, 'Munjigi <no-reply@auth.example.com>');
    for (const right of [
      'smtp://mail.example.com',
      'smtps://u%40x:p@mail.example.com:465',
      'smtp://relay:25?requireTLS=false',
      'smtp://[::1]:25/',
    ])
      assert.equal(readConfig({ ...development, SMTP_URL: right }).smtpUrl, right);
    for (const wrong of [
      'mail.example.com',
      'https://mail.example.com',
      'smtp://',
      'smtp://h/x',
      'smtp://h?tls=no',
      'smtp://h?requireTLS=no',
    ])
      assert.match(problems({ ...development, SMTP_URL: wrong }).join(), /^SMTP_URL must be /, wrong);
    for (const right of ['no-reply@example.com', '예시 서비스 <no-reply@example.com>'])
      assert.equal(readConfig({ ...development, MAIL_FROM: right }).mailFrom, right);
    for (const wrong of ['nobody', 'a@b, c@d', 'A, B <a@b>', 'x <a@b> <c@d>', 'a@b\nBcc: c@d', '"a" <a@b>'])
      assert.match(problems({ ...development, MAIL_FROM: wrong }).join(), /^MAIL_FROM must be /, wrong);
  });

  it('refuses short keys', () => {
    assert.match(problems({ DATABASE_URL, ...SECRETS, COOKIE_KEYS: 'short' }).join(), /32 characters/);
    assert.match(problems({ DATABASE_URL, ...SECRETS, DATA_ENCRYPTION_KEYS: 'c2hvcnQ' }).join(), /32 bytes/);
  });
});
