import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { problemOf, readDatabaseAddress } from '../../src/platform/database-address.ts';

/** PostgreSQL documentation, section 32.1. */
describe('The address of the database', () => {
  const folder = mkdtempSync(join(tmpdir(), 'munjigi-address-'));
  const file = join(folder, 'ca.pem');
  writeFileSync(file, 'a certificate');
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('may name several hosts, in the authority or in the query, with or without ports', () => {
    const hosts = (url: string) => readDatabaseAddress(url).hosts;
    assert.deepEqual(hosts('postgres://u:p@h1:5432,h2:6543/db'), [
      { host: 'h1', port: 5432 },
      { host: 'h2', port: 6543 },
    ]);
    assert.deepEqual(hosts('postgresql://u:p@h1,[::1]:6543,h3/db'), [
      { host: 'h1', port: undefined },
      { host: '::1', port: 6543 },
      { host: 'h3', port: undefined },
    ]);
    assert.deepEqual(hosts('postgres:///db?host=h1,h2&port=1,2'), [
      { host: 'h1', port: 1 },
      { host: 'h2', port: 2 },
    ]);
    assert.deepEqual(hosts('postgres:///db?host=h1,h2&port=7'), [
      { host: 'h1', port: 7 },
      { host: 'h2', port: 7 },
    ]);
    assert.deepEqual(hosts('postgres://u:p@[::1]:5433/db'), [{ host: '::1', port: 5433 }]);
    assert.deepEqual(hosts('postgres://u@/db?host=/var/run/postgresql'), [{ host: '/var/run/postgresql', port: undefined }]);
  });

  it('contains user, password and database', () => {
    const { settings } = readDatabaseAddress('postgres://us%40er:p%2Fa,b@h1,h2/my%20db?application_name=x');
    const { user, password, database, application_name } = settings;
    assert.deepEqual([user, password, database, application_name], ['us@er', 'p/a,b', 'my db', 'x']);
  });

  it('selects a host that accepts writes when there are several, unless target_session_attrs differs', () => {
    const target = (url: string) => readDatabaseAddress(url).target;
    assert.equal(target('postgres://h1/db'), 'any');
    assert.equal(target('postgres://h1,h2/db'), 'read-write');
    for (const wish of ['any', 'read-write', 'primary']) assert.equal(target(`postgres://h1,h2/db?target_session_attrs=${wish}`), wish);
    for (const other of ['standby', 'prefer-standby', 'read-only', ''])
      assert.match(problemOf(`postgres://h1,h2/db?target_session_attrs=${other}`) ?? '', /not supported: use any, read-write, primary$/);
  });

  it('selects the TLS mode as libpq does', () => {
    const ssl = (query: string) => readDatabaseAddress(`postgres://h/db?${query}`).settings.ssl as Record<string, unknown> | false;
    assert.equal(ssl('application_name=x'), undefined);
    assert.equal(ssl('sslmode=disable'), false);
    for (const mode of ['prefer', 'require']) assert.deepEqual({ ...ssl(`sslmode=${mode}`) }, { rejectUnauthorized: false });
    const withAuthority = { ...ssl(`sslmode=require&sslrootcert=${file}`) };
    assert.equal(withAuthority['ca'], 'a certificate');
    assert.equal(withAuthority['rejectUnauthorized'], undefined, 'require with an authority verifies as verify-ca does');
    assert.equal(typeof withAuthority['checkServerIdentity'], 'function');
    assert.deepEqual({ ...ssl(`sslmode=verify-full&sslrootcert=${file}`) }, { ca: 'a certificate' });
    const system = { ...ssl('sslrootcert=system') };
    assert.ok(Array.isArray(system['ca']));
    assert.equal(system['checkServerIdentity'], undefined, 'the name is verified');
    assert.equal(readDatabaseAddress('postgres://h/db?sslmode=prefer').prefersTls, true);
  });

  it('is refused with a message that contains no secret', () => {
    const wrong: [string, RegExp][] = [
      ['mysql://u:hunter2@h/db', /^must begin with postgres:/],
      ['postgres://u:hunter2@h1:x,h2/db', /^lists a host that cannot be read/],
      ['postgres://u:hunter2@h1:0,h2/db', /^has a port that is none/],
      ['postgres://u:hunter2@h1:99999/db', /^must be a URI/],
      ['postgres://u:hunter2@/db?host=a,b,c&port=1,2', /^must have one port, or one for each host/],
      [
        'postgres://u:hunter2@h/db?sslmode=no-verify',
        /^has sslmode with a value that is not supported: use disable, prefer, require, verify-ca/,
      ],
      ['postgres://u:hunter2@h/db?sslmode=verify-ca', /^says sslmode=verify-ca, which needs sslrootcert=FILE/],
      ['postgres://u:hunter2@h/db?sslmode=require&sslrootcert=system', /^says sslrootcert=system, which needs sslmode=verify-full/],
      [
        'postgres://u:hunter2@h/db?sslmode=verify-full&sslrootcert=/nowhere/ca.pem',
        /^names the file \/nowhere\/ca\.pem, which cannot be read/,
      ],
      ['postgres://u:hunter2@h/db?pgbouncer=yes', /^has pgbouncer with a value that is not supported: use true, false/],
    ];
    for (const [url, sentence] of wrong) {
      const problem = problemOf(url) ?? '';
      assert.match(problem, sentence, url);
      assert.ok(!problem.includes('hunter2'));
    }
  });
});
