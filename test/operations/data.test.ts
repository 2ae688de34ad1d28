import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose';
import { DURABLE, LEFT_OUT } from '../../src/features/backups/durable.ts';
import { readHeader, verifyFile } from '../../src/features/backups/exported-file.ts';
import { SEALED_COLUMNS } from '../../src/features.ts';
import { KeyRing } from '../../src/platform/secrets.ts';
import { runCommand } from '../support/command.ts';
import { createDatabase, startTestServer, type TestDatabase, type TestServer } from '../support/environment.ts';
import { addTotp } from '../support/factors.ts';
import {
  authorizePath,
  callApi,
  clientCredentials,
  introspect,
  obtainCode,
  obtainTokens,
  pkce,
  post,
  redeem,
  refresh,
} from '../support/flow.ts';
import { createReaching } from '../support/linked.ts';
import { Person } from '../support/person.ts';
import { unchanged } from '../support/storage.ts';
import { addProvider, startUpstream, type TestUpstream } from '../support/upstream.ts';

const ROOT = join(import.meta.dirname, '../..');

describe('What outlives a database', () => {
  const tables = [...readFileSync(join(ROOT, 'prisma/schema.prisma'), 'utf8').matchAll(/^model \w+ \{[\s\S]*?@@map\("(\w+)"\)/gm)].map(
    ([, name]) => String(name),
  );

  it('is said of every table: it goes along, or there is a reason why not', () => {
    const [durable, left] = [DURABLE.map(([table]) => table), Object.keys(LEFT_OUT)];
    assert(tables.length > 30);
    assert.deepEqual([...durable, ...left].sort(), [...tables].sort());
  });

  it('is looked into wherever it is sealed', () => {
    const sections = readFileSync(join(ROOT, 'docs/storage.md'), 'utf8').split(/^### /m).slice(1);
    const sealed = sections.flatMap((section) => {
      const table = String(/^`(\w+)`/.exec(section)?.[1]);
      const rows = [...section.matchAll(/^\| (`[^|]+) \|[^|]*AES-256-GCM/gm)];
      return rows.flatMap(([, names = '']) => [...names.matchAll(/`(\w+)`/g)].map(([, name]) => `${table}.${name}`));
    });
    const known = SEALED_COLUMNS.map(({ table, column }) => `${table}.${column}`);
    assert(sealed.length > 4);
    assert.deepEqual(
      sealed.filter((name) => !Object.hasOwn(LEFT_OUT, name.split('.')[0] ?? '') && !known.includes(name)),
      [],
    );
  });
});

describe('munjigi data', () => {
  let server: TestServer;
  let upstream: TestUpstream;
  let fresh: TestDatabase;
  let folder: string;
  let file: string;
  let lived: Awaited<ReturnType<typeof live>>;
  before(async () => {
    [server, upstream, fresh] = await Promise.all([startTestServer(), startUpstream(), createDatabase()]);
    folder = mkdtempSync(join(tmpdir(), 'data-'));
    file = join(folder, 'first.jsonl');
    lived = await live();
    assert.equal(data(server, 'export', file).status, 0);
  });
  after(async () => {
    rmSync(folder, { recursive: true });
    await Promise.all([server.close(), upstream.close()]);
  });

  const data = (of: TestServer, ...args: string[]) => runCommand(of, 'data', ...args);
  const at = (databaseUrl: string, more: Partial<TestServer['config']> = {}): TestServer => ({
    ...server,
    config: { ...server.config, databaseUrl, ...more },
  });
  const lines = (name: string) => readFileSync(name, 'utf8').split('\n').slice(0, -1);

  /** Somebody who allowed a client something and still holds all that it gave; and a row in every table that goes along. */
  async function live() {
    const [client, person, guarded] = await Promise.all([server.createClient(), server.createPerson(), server.createPerson()]);
    const tokens = await obtainTokens(server, client, person);
    const code = await obtainCode(server, client, person, {}, tokens.person);
    await addTotp(server, guarded);
    await addProvider(server, upstream, { services: ['notes.read'] });
    const gone = await createReaching(server, upstream);
    await server.sql('delete from upstream_identity where account_id = $1', [gone.person.id]);
    // A user name that was given up.
    await server.sql("update user_account set username = username || '.new' where id = $1", [gone.person.id]);
    await createReaching(server, upstream);
    await callApi(server, '/api/posts', tokens.access_token, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"title":"t","body":"b"}',
    });
    const statements: [string, unknown[]][] = [
      ['insert into client_owner (client_id, account_id) values ($1, $2)', [client.client_id, person.id]],
      [
        `insert into client_invitation (id, client_id, email, invited_by, expires_at) values ('i', $1, 'x@y.example', $2, now())`,
        [client.client_id, person.id],
      ],
      [
        `insert into passkey (id, account_id, public_key, counter, backed_up, transports, name) values ('pk', $1, '\\x00ff', 9007199254740993, false, '{usb,"a,b"}', $2)`,
        [guarded.id, '열쇠 "\\'],
      ],
      [`insert into recovery_code (digest, account_id) values ('\\x01', $1) on conflict do nothing`, [guarded.id]],
      [
        `insert into initial_access_token (id, digest, name, max_clients, expires_at) values ('t', '\\x02', 'n', 3, now() + interval '1 day')`,
        [],
      ],
      [`insert into software_statement_issuer (issuer, name, jwks) values ('https://i.example', 'n', '{"keys": []}')`, []],
      [
        `insert into hourly_count (hour, name, label, count) values (date_trunc('hour', now()), 'signed_in', '', 7) on conflict do nothing`,
        [],
      ],
      [`insert into post (id, title, body, author_id) values ('p', 't', E'a\\nb\\u2028c', $1)`, [person.id]],
    ];
    for (const [text, values] of statements) await server.sql(text, values);
    return { client, person, tokens, code };
  }

  it('exports a row of every table that lasts, for nobody else to read, and nothing that opens anything', async () => {
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const rows = lines(file);
    const header = JSON.parse(String(rows[0])) as { rows: Record<string, number> };
    for (const [table] of DURABLE) assert.ok(Number(header.rows[table]) > 0, `${table} is in the file`);
    const text = rows.join('\n');
    const held = [
      lived.tokens.access_token,
      String(lived.tokens.refresh_token),
      lived.code.code,
      lived.client.client_secret,
      lived.person.password,
    ];
    for (const secret of held) assert.ok(!text.includes(secret));
    for (const table of Object.keys(LEFT_OUT)) assert.ok(!text.includes(`\n["${table}"`), table);
    assert.deepEqual(await server.sql(`select detail->>'rows' as rows from audit_event where type = 'data_exported_by_operator'`), [
      { rows: String(rows.length - 2) },
    ]);
    assert.deepEqual(readdirSync(folder), ['first.jsonl'], 'nothing half-done is left');
  });

  it('takes the place of no file unasked, and keeps it when there is no room for another', async () => {
    const kept = readFileSync(file, 'utf8');
    const refused = await unchanged(server, async () => data(server, 'export', file));
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /--yes/);
    writeFileSync(`${file}.part`, '');
    assert.match((await unchanged(server, async () => data(server, 'export', file, '--yes'))).stderr, /another export is under way/);
    rmSync(`${file}.part`);
    assert.equal(readFileSync(file, 'utf8'), kept);
  });

  it('knows a file that is cut short, altered, or none of its own', async () => {
    const [whole, rows] = [readFileSync(file, 'utf8'), lines(file)];
    const bad = join(folder, 'odd.jsonl');
    const look = (content: string) => {
      writeFileSync(bad, content);
      return readHeader(bad).then(() => verifyFile(bad, new KeyRing(server.config.dataEncryptionKeys), SEALED_COLUMNS, () => {}));
    };
    await look(whole);
    const without = (index: number) => `${rows.filter((_, at) => at !== index).join('\n')}\n`;
    for (const content of [
      whole.slice(0, -1),
      without(rows.length - 1),
      without(5),
      `${whole}${rows[1]}\n`,
      `${whole}${rows.at(-1)}\n`,
      `${rows.with(2, String(rows[3])).join('\n')}\n`,
      `${rows.with(2, '["pg_authid",{"rolname":"x"}]').join('\n')}\n`,
    ])
      await assert.rejects(look(content), /not as it was exported/);
    for (const [content, said] of [
      ['{"a":1}\n', /is no export/],
      ['', /is empty/],
      [whole.replace('"format":1', '"format":2'), /format 2/],
    ] as const)
      await assert.rejects(look(content), said);
    rmSync(bad);
  });

  it('restores nothing of a file that is altered, into no database that is in use, and by no other keys or name', async () => {
    const whole = readFileSync(file, 'utf8');
    const bad = join(folder, 'bad.jsonl');
    const into = at(fresh.url);
    const restored = (content: string, of = into, ...more: string[]) => {
      writeFileSync(bad, content);
      return data(of, 'restore', bad, ...(more.length ? more : ['--yes']));
    };
    const target = await startTestServer({}, { url: fresh.url, drop: async () => {} });
    const altered = whole.replace('"role": "user"', '"role": "admin"');
    assert.notEqual(altered, whole);
    const unmigrated = whole.replace(/"migrations":\[[^\]]*\]/, '"migrations":["20200101000000_other"]');
    const refusals: [RegExp, () => ReturnType<typeof data>][] = [
      [/not as it was exported/, () => restored(altered)],
      [/is of a database at 20200101000000_other/, () => restored(unmigrated)],
      [/--yes/, () => restored(whole, into, '--')],
      [
        /no key in DATA_ENCRYPTION_KEYS opens .*signing_key\.private_jwk/,
        () => restored(whole, at(fresh.url, { dataEncryptionKeys: [new Uint8Array(32)] })),
      ],
      [/know the server by its name/, () => restored(whole, at(fresh.url, { issuer: 'http://other.localhost' }))],
      [/in use: it has rows in user_account/, () => restored(whole, server)],
      [/there is no file/, () => data(into, 'restore', join(folder, 'nowhere'), '--yes')],
      [/restore needs FILE/, () => data(into, 'restore')],
      [/there is no verb drop/, () => data(into, 'drop', file)],
    ];
    for (const [said, act] of refusals) {
      const { status, stderr } = await unchanged(target, () => unchanged(server, async () => act()));
      assert.equal(status, /needs FILE|no verb/.test(String(said)) ? 2 : 1, String(said));
      assert.match(stderr, said);
    }
    await target.close();
  });

  it('restores all, and exports the same again; all that was issued is refused, and what was allowed is not asked for again', async () => {
    const { client, person, tokens, code } = lived;
    const restored = data(at(fresh.url), 'restore', file, '--yes');
    assert.equal(restored.status, 0, restored.stderr);
    const again = join(folder, 'again.jsonl');
    assert.equal(data(at(fresh.url), 'export', again).status, 0);
    const comparable = (name: string) =>
      lines(name)
        .slice(1, -1)
        .filter((line) => !/"type": "data_(restored|exported_by_operator)"/.test(line));
    assert.deepEqual(comparable(again), comparable(file));
    assert.equal(lines(again).length, lines(file).length + 1, 'and the event of the restore');

    const { issuer, port, cookieKeys, dataEncryptionKeys } = server.config;
    const jwks = async () => (await (await fetch(`${issuer}/oauth/jwks`)).json()) as JSONWebKeySet;
    const kid = decodeProtectedHeader(String(tokens.id_token)).kid;
    await server.close();
    server = await startTestServer({ issuer, port, cookieKeys, dataEncryptionKeys }, fresh);
    await jwtVerify(String(tokens.id_token), createLocalJWKSet(await jwks()), { issuer });

    assert.equal((await refresh(server, client, String(tokens.refresh_token))).status, 400);
    assert.equal((await redeem(server, client, code)).status, 400);
    assert.equal((await callApi(server, '/api/me', tokens.access_token)).status, 401);
    const fresher = await clientCredentials(server, client);
    assert.equal((await introspect(server, client, fresher.access_token))['active'], true);
    assert.equal(
      (await post(server, '/oauth/token', { ...client, client_secret: 'wrong' }, { grant_type: 'client_credentials' })).status,
      401,
    );

    // The session that was has gone; signing in is all there is to do.
    const page = await tokens.person.open(authorizePath(client, { ...pkce(), code_verifier: undefined }));
    assert.match(page.html, /name="password"/);
    const signedIn = await (await new Person(issuer).open(authorizePath(client, { ...pkce(), code_verifier: undefined }))).submit(person);
    assert(signedIn.url.searchParams.get('code'), `asked again at ${signedIn.url}`);
    const next = await obtainTokens(server, client, person);
    assert.equal(decodeProtectedHeader(String(next.id_token)).kid, kid);
  });
});
