import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { exportJWK, generateKeyPair } from 'jose';
import { runCommand } from '../support/command.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { askToRegister, METADATA, register } from '../support/registration.ts';
import { ISSUER, softwareIssuer } from '../support/software-statement.ts';
import { countRows, unchanged } from '../support/storage.ts';

describe('munjigi software-issuers', () => {
  let server: TestServer;
  let issuer: Awaited<ReturnType<typeof softwareIssuer>>;
  const folder = mkdtempSync(join(tmpdir(), 'issuers-'));
  before(async () => {
    server = await startTestServer();
    issuer = await softwareIssuer();
  });
  after(async () => {
    rmSync(folder, { recursive: true });
    await server.close();
  });

  const command = (...args: string[]) => runCommand(server, 'software-issuers', ...args);
  const file = (keys: unknown) => {
    const path = join(folder, `${crypto.randomUUID()}.json`);
    writeFileSync(path, JSON.stringify({ keys }));
    return path;
  };
  const add = (keys: unknown, ...more: string[]) => command('add', ISSUER, '--name', '앱 목록', '--jwks', file(keys), ...more);
  const status = async () => {
    const software_statement = await issuer.sign({ client_name: 'Stroll' });
    return (await askToRegister(server, { ...METADATA, software_statement })).status;
  };
  const events = () => server.sql(`select type, request_id, detail from audit_event where type like 'software_issuer_%' order by at, id`);

  it('trusts an issuer, lists it, and distrusts it when that is confirmed; each is told', async () => {
    assert.equal(await status(), 400);
    const added = add([issuer.jwk]);
    assert.equal(added.status, 0, added.stderr);
    assert.equal(await status(), 201);
    assert.match(command('list').stdout, /^https:\/\/catalogue\.example +"앱 목록" +one +\d{4}-\S+Z$/m);

    const asked = await unchanged(server, async () => add([issuer.jwk]));
    assert.equal(asked.status, 1, 'it is known already');
    assert.match(asked.stderr, /--yes/);
    assert.equal(add([issuer.jwk], '--yes').status, 0);

    assert.equal((await unchanged(server, async () => command('remove', ISSUER))).status, 1);
    assert.equal(command('remove', ISSUER, '--yes').status, 0);
    assert.equal(await status(), 400);
    assert.equal((await unchanged(server, async () => command('remove', ISSUER, '--yes'))).status, 1);
    const trusted = { type: 'software_issuer_trusted', request_id: 'operator', detail: { issuer: ISSUER, name: '앱 목록', keys: 1 } };
    const untrusted = { type: 'software_issuer_untrusted', request_id: 'operator', detail: { issuer: ISSUER } };
    assert.deepEqual(await events(), [trusted, trusted, untrusted]);
  });

  it('keeps public keys alone, and only such as statements are verified by', async () => {
    const privateJwk = await exportJWK(issuer.privateKey);
    const short = { kty: 'RSA', e: 'AQAB', n: Buffer.alloc(128, 255).toString('base64url') };
    const wrong: [RegExp, unknown][] = [
      [/1 to 10 keys/, []],
      [/1 to 10 keys/, 'x'],
      [/1 to 10 keys/, Array(11).fill(issuer.jwk)],
      [/key 1 is not public/, [privateJwk]],
      [/key 1 is not public/, [{ kty: 'oct', k: 'c2VjcmV0' }]],
      [/key 1 must be one that verifies/, [{ kty: 'oct' }]],
      [/key 1 must be one that verifies/, [{ ...issuer.jwk, alg: 'HS256' }]],
      [/key 1 must be one that verifies/, [{ ...issuer.jwk, use: 'enc' }]],
      [/key 1 is no key for ES256/, [{ ...issuer.jwk, x: 'AA' }]],
      [/key 1 must have 2048 bits/, [short]],
      [/each needs a kid of its own/, [issuer.jwk, { ...issuer.jwk }]],
      [/each needs a kid of its own/, [issuer.jwk, { ...issuer.jwk, kid: undefined }]],
    ];
    for (const [says, keys] of wrong) {
      const { status: exit, stderr } = await unchanged(server, async () => add(keys));
      assert.equal(exit, 1, JSON.stringify(keys));
      assert.match(stderr, says);
    }
    const { publicKey } = await generateKeyPair('RS256');
    const kept = add([{ ...(await exportJWK(publicKey)), kid: 'rsa', x5u: 'https://127.0.0.1/x', note: 'x' }]);
    assert.equal(kept.status, 0, kept.stderr);
    const [row] = await server.sql(`select jwks from software_statement_issuer where issuer = $1`, [ISSUER]);
    const { jwks } = row as { jwks: { keys: object[] } };
    assert.deepEqual(Object.keys(jwks.keys[0] ?? {}).toSorted(), ['e', 'kid', 'kty', 'n', 'use']);
    assert.equal(command('remove', ISSUER, '--yes').status, 0);
  });

  it('changes nothing for what makes no sense, and says why', async () => {
    const keys = file([issuer.jwk]);
    const wrong: [number, RegExp, ...string[]][] = [
      [2, /add needs ISSUER/, 'add'],
      [2, /list takes no /, 'list', ISSUER],
      [2, /there is no verb trust/, 'trust', ISSUER],
      [2, /needs --name/, 'add', ISSUER, '--jwks', keys],
      [2, /--name takes/, 'add', ISSUER, '--name', 'a\u202eb', '--jwks', keys],
      [2, /needs --jwks/, 'add', ISSUER, '--name', 'Catalogue'],
      [1, /cannot be read/, 'add', ISSUER, '--name', 'Catalogue', '--jwks', join(folder, 'nothing')],
      [2, /an issuer is as its statements name it/, 'add', 'a b', '--name', 'Catalogue', '--jwks', keys],
      [2, /Unknown option '--clients'/, 'add', ISSUER, '--name', 'Catalogue', '--jwks', keys, '--clients', '1'],
      [2, /Unknown option '--name'/, 'remove', ISSUER, '--name', 'x', '--yes'],
    ];
    for (const [code, says, ...args] of wrong) {
      const { status: exit, stderr } = await unchanged(server, async () => command(...args));
      assert.equal(exit, code, args.join(' '));
      assert.match(stderr, says);
    }
    assert.equal(await countRows(server, 'software_statement_issuer'), 0);
  });

  it('clients describe says who vouches, also when nobody trusts them any more, and does not call it verified', async () => {
    await issuer.trustedBy(server);
    const client = await register(server, { software_statement: await issuer.sign({ client_name: 'Stroll', software_id: 'stroll' }) });
    // An id of the library's may begin with a dash.
    const show = () => runCommand(server, 'clients', 'describe', '--', client.client_id).stdout;
    for (const line of [/^vouched for by +"Catalogue", https:\/\/catalogue\.example$/m, /^software_id +"stroll"$/m, /^publisher +-$/m])
      assert.match(show(), line);
    assert.equal(command('remove', ISSUER, '--yes').status, 0);
    assert.match(show(), /^vouched for by +"https:\/\/catalogue\.example", which is not trusted any more$/m);
    const plain = await register(server);
    assert.match(runCommand(server, 'clients', 'describe', '--', plain.client_id).stdout, /^vouched for by +-$/m);
  });
});
