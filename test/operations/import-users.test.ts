import assert from 'node:assert/strict';
import { pbkdf2Sync } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import argon2 from 'argon2';
import bcrypt from 'bcrypt';
import { findUser, verifyCredentials } from '../../src/people/store.ts';
import { startCommand } from '../support/command.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import type { TestClient } from '../support/flow.ts';
import { type Importing, openImporting } from '../support/importing.ts';
import { holdTable } from '../support/lock.ts';
import { Person } from '../support/person.ts';
import { openSignIn } from '../support/sign-up.ts';
import { countRows, unchanged } from '../support/storage.ts';

const PASSWORD = 'four cranes over the river';
const BCRYPT = bcrypt.hashSync(PASSWORD, 4);
const OWN = /^\$argon2id\$v=19\$m=19456,/;

describe('munjigi clients import --from users', () => {
  let server: TestServer;
  let client: TestClient;
  let importing: Importing;
  before(async () => {
    server = await startTestServer();
    client = await server.createClient();
    importing = openImporting(server);
  });
  after(() => {
    importing.close();
    return server.close();
  });

  const imported = (content: unknown, name: string, ...more: string[]) =>
    importing.reportedFile('users', importing.written(content, name), '--yes', ...more);
  const account = async (email: string) => {
    const [row] = await server.sql(
      'select id, name, email_verified as verified, locale, password_hash as hash, disabled_at is not null as disabled from user_account where email = $1',
      [email],
    );
    return row as
      | { id: string; name: string; verified: boolean; locale: string | null; hash: string | null; disabled: boolean }
      | undefined;
  };
  const signsIn = async (email: string, password: string) => {
    const page = await openSignIn(server, client, {}, new Person(server.issuer));
    return !(await page.submit({ email, password })).html.includes('name="password"');
  };
  const outcomes = (told: { people?: { outcome: string; why?: string }[] }) => told.people?.map(({ outcome, why = '' }) => [outcome, why]);

  it('signs a moved user in with the old password, and replaces the hash once', async () => {
    const salt = 'NaCl0123abcd';
    const django = `pbkdf2_sha256$1000$${salt}$${pbkdf2Sync(PASSWORD, salt, 1000, 32, 'sha256').toString('base64')}`;
    const foreign = await argon2.hash(PASSWORD, { memoryCost: 1024, timeCost: 3, parallelism: 2 });
    for (const [name, hash] of Object.entries({ bcrypt: BCRYPT, django, argon2: foreign })) {
      const email = `${name}@moved.example`;
      assert.equal(imported(`email,name,password_hash\n${email},${name},"${hash}"\n`, 'users.csv').status, 0);
      assert.equal((await account(email))?.hash, hash, 'it is kept as it is');
      assert.equal(await signsIn(email, `${PASSWORD}!`), false);
      assert.equal((await account(email))?.hash, hash);
      assert.equal(await signsIn(email, PASSWORD), true);
      const own = (await account(email))?.hash;
      assert.match(String(own), OWN);
      assert.equal(await signsIn(email, PASSWORD), true);
      assert.equal((await account(email))?.hash, own);
      assert.equal(await signsIn(email, `${PASSWORD}!`), false);
    }
  });

  it('keeps a password that the user changes while the old hash is verified', async () => {
    imported(`{"email":"meanwhile@moved.example","password_hash":"${BCRYPT}"}`, 'users.jsonl');
    const read = await findUser(server.database, 'meanwhile@moved.example');
    await server.sql(`update user_account set password_hash = 'changed' where email = 'meanwhile@moved.example'`);
    assert.equal((await verifyCredentials(server.database, read, PASSWORD)).ok, true);
    assert.equal((await account('meanwhile@moved.example'))?.hash, 'changed');
  });

  it('knows the columns of Cognito, Okta and Firebase, with a byte order mark and with semicolons', async () => {
    const cognito = `name,given_name,family_name,email,email_verified,locale,cognito:mfa_enabled,cognito:username
"Moore, Ada",Ada,Moore,Cog@Moved.example,true,,false,cog
,하나,김,hana@moved.example,TRUE,ko-KR,true,hana
`;
    imported(cognito, 'cognito.csv');
    assert.deepEqual(pick(await account('cog@moved.example')), ['Moore, Ada', true, null, false]);
    assert.deepEqual(pick(await account('hana@moved.example')), ['김하나', true, 'ko', false]);
    const okta =
      "\ufefflogin;firstName;lastName;email;status\nben@moved.example;Ben;O'Hara;;ACTIVE\nnone;No;Address;;ACTIVE\noff@moved.example;Off;;off@moved.example;DEPROVISIONED\n";
    const { told } = imported(okta, 'okta.csv');
    assert.deepEqual(pick(await account('ben@moved.example')), ["Ben O'Hara", false, null, false]);
    assert.equal((await account('off@moved.example'))?.disabled, true);
    assert.match(String(told.people?.[1]?.where), /line 3 none/);
    assert.match(String(told.people?.[1]?.why), /no address/);
  });

  it('verifies passwords of Firebase with the parameters of the project, from CSV without a header and from JSON', async () => {
    // The example of https://github.com/firebase/scrypt
    const config = importing.written(
      `hash_config {
  algorithm: SCRYPT,
  base64_signer_key: jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==,
  base64_salt_separator: Bw==,
  rounds: 8,
  mem_cost: 14,
}`,
      'hash-config.txt',
    );
    const [salt, hash] = ['42xEC-ixf3L2lw==', 'lSrfV15cpx95_sZS2W9c9Kp6i_LVgQNDNC_qzrCnh1SAyZvqmZqAjTdn3aoItz-VHjoZilo78198JAdRuid5lQ=='];
    imported(`abcDEF123,fire@moved.example,true,${hash},${salt},Fire,,,,\n`, 'firebase.csv', '--hash-config', config);
    const json = {
      users: [{ localId: 'x', email: 'ember@moved.example', emailVerified: false, passwordHash: hash, salt, displayName: 'Ember' }],
    };
    imported(json, 'firebase.json', '--hash-config', config);
    for (const email of ['fire@moved.example', 'ember@moved.example']) {
      assert.equal(await signsIn(email, 'user1password'), true, email);
      assert.match(String((await account(email))?.hash), OWN);
    }
    const without = imported({ users: [{ email: 'ash@moved.example', passwordHash: hash, salt }] }, 'firebase.json');
    assert.match(JSON.stringify(without.told.fieldsOfPeople), /--hash-config FILE gives/);
    assert.equal((await account('ash@moved.example'))?.hash, null);
  });

  it('reads users as the APIs of Cognito, Okta and Auth0 give them', async () => {
    const attributes = [
      { Name: 'sub', Value: '0b8f6f3e-6a53-4d0e-9f0c-2f6a4f6f9d22' },
      { Name: 'email', Value: 'api@moved.example' },
      { Name: 'email_verified', Value: 'true' },
    ];
    imported({ Users: [{ Username: 'api', Attributes: attributes, Enabled: false, UserStatus: 'CONFIRMED' }] }, 'cognito.json');
    assert.deepEqual(pick(await account('api@moved.example')), ['api', true, null, true]);
    assert.equal((await account('api@moved.example'))?.id, '0b8f6f3e-6a53-4d0e-9f0c-2f6a4f6f9d22');
    imported(
      [{ id: '00u1', status: 'ACTIVE', profile: { login: 'o@moved.example', email: 'o@moved.example', firstName: 'O' } }],
      'okta.json',
    );
    assert.deepEqual(pick(await account('o@moved.example')), ['O', false, null, false]);
    const auth0 = { _id: { $oid: '5' }, email: 'a0@moved.example', email_verified: true, passwordHash: BCRYPT };
    imported(`${JSON.stringify(auth0)}\n{"email":"a1@moved.example"}\n`, 'auth0.ndjson');
    assert.equal(await signsIn('a0@moved.example', PASSWORD), true);
    assert.ok(await account('a1@moved.example'));
  });

  it('takes other columns by --columns, and says which column has no meaning', async () => {
    const table = `E-Post\tAnrede\tpw\nme@post.example\tHerr\t${BCRYPT}\n`;
    const file = importing.written(table, 'users.tsv');
    const asked = await unchanged(server, async () => importing.commandFile('users', file, '--yes'));
    assert.match(asked.stderr, /no column has addresses: it has "E-Post", "Anrede", "pw"\. Say which by --columns email=NAME/);
    const { told } = importing.reportedFile('users', file, '--yes', '--columns', 'email=E-Post,password_hash=pw');
    assert.equal((await account('me@post.example'))?.hash, BCRYPT);
    assert.match(JSON.stringify(told.fieldsOfPeople), /"Anrede","outcome":"dropped"/);
    const wrong = importing.commandFile('users', file, '--yes', '--columns', 'mail=E-Post');
    assert.match(wrong.stderr, /--columns: write ours=theirs/);
  });

  it('has a line for each that cannot come: twice, without an address, a formula', async () => {
    const table = `email,name,password_hash
one@line.example,One,
ONE@line.example,Twin,
no address,Nobody,
=1+1@line.example,Sum,
two@line.example,"=HYPERLINK(""https://x"")",plain
three@line.example,"Three
lines",$2b$31$${'a'.repeat(53)}
`;
    const { told, status, stdout, report } = imported(table, 'users.csv');
    assert.equal(status, 1);
    assert.deepEqual(outcomes(told), [
      ['made', ''],
      ['refused', 'another user of the file before has the same address'],
      ['refused', 'it has no address that mail can be sent to (no address), by which they could sign in'],
      ['refused', 'its address is a formula of a spreadsheet'],
      ['made', ''],
      ['made', ''],
    ]);
    assert.deepEqual(pick(await account('two@line.example')).slice(0, 1), ['two']);
    assert.match(stdout, /refused {2}line 3 "one@line\.example"/);
    assert.match(JSON.stringify(told.fieldsOfPeople), /no hash that this server verifies.*cost is too high/);
    assert.ok(!readFileSync(report, 'utf8').includes('$2b$31$'), 'no hash is reported');
    const again = await unchanged(server, async () => imported(table, 'users.csv'));
    assert.deepEqual(
      again.told.people?.map(({ outcome }) => outcome),
      ['skipped', 'refused', 'refused', 'refused', 'skipped', 'skipped'],
    );
  });

  it('goes on where it was interrupted, and nobody comes twice', async () => {
    const count = 3_000;
    const rows = Array.from({ length: count }, (_, n) => `many${n}@many.example,Many ${n}`).join('\n');
    const file = importing.written(`email,name\n${rows}\n`, 'many.csv');
    const lock = await holdTable(server.config.databaseUrl, 'user_account');
    const { child, ended } = startCommand(server, 'clients', 'import', '--from', 'users', file, '--yes');
    await lock.awaited(1);
    child.kill('SIGINT');
    await lock.release();
    const { status, stdout } = await ended;
    assert.equal(status, 130, stdout);
    assert.match(stdout, /it was interrupted/);
    const here = () => countRows(server, `user_account where email like '%@many.example'`);
    const first = await here();
    assert.ok(first > 0 && first < count, String(first));
    assert.match(importing.commandFile('users', file, '--yes').stdout, new RegExp(`people: ${first} skipped, ${count - first} made`));
    assert.equal(await here(), count);
    assert.equal(
      await countRows(server, `audit_event e join user_account u on u.id = e.account_id where u.email like '%@many.example'`),
      count,
    );
  });

  it('refuses what is no such file, in one sentence', async () => {
    const latin = Buffer.from('email,name\na@b.example,Andr\xe9\n', 'latin1');
    for (const [content, name, said] of [
      ['email,name\n"a@b.example,x\n', 'open.csv', /a quotation mark is never closed/],
      [`email\n${'x'.repeat(2_000_000)}`, 'long.csv', /a row has more than/],
      ['a@b.example,Ada\n', 'headless.csv', /first line has no names of columns/],
      ['{"email":"a@b.example"', 'cut.jsonl', /it is no JSON/],
      [`{"email":"a@b.example","x":${'['.repeat(70)}${']'.repeat(70)}}`, 'deep.json', /nests deeper/],
      [latin, 'latin.csv', /it is no UTF-8/],
    ] as const) {
      const file = importing.written('', name);
      writeFileSync(file, content);
      const { status, stderr } = await unchanged(server, async () => importing.commandFile('users', file, '--yes'));
      assert.equal(status, 1, name);
      assert.match(stderr, said);
      assert.equal(stderr.trim().split('\n').length, 1, stderr);
    }
  });
});

const pick = (row: { name: string; verified: boolean; locale: string | null; disabled: boolean } | undefined) => [
  row?.name,
  row?.verified,
  row?.locale,
  row?.disabled,
];
