import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { LEFT_OUT } from '../../src/features/backups/durable.ts';
import { ENDED } from '../../src/features/backups/restored-backup.ts';
import { answerCommand, runCommand } from '../support/command.ts';
import { createProofKey } from '../support/dpop.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { addTotp } from '../support/factors.ts';
import { obtainTokens, post, type TestClient } from '../support/flow.ts';
import { assertRefused } from '../support/refusals.ts';
import { register } from '../support/registration.ts';
import { countRows, dumpTables, unchanged } from '../support/storage.ts';

/** Tables of an export's LEFT_OUT that are no credentials, and stay. */
const STAYS = ['rate_limit', 'key_use', 'idempotency_key', 'client_logo', 'client_pkce_use', 'client_error'];

const TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const now = () => Math.floor(Date.now() / 1_000);

describe('munjigi database after-restore', () => {
  let server: TestServer;
  let client: TestClient;
  let signer: { id: string; key: CryptoKey };
  before(async () => {
    server = await startTestServer();
    const [{ privateKey, publicKey }, person] = await Promise.all([generateKeyPair('ES256'), server.createPerson()]);
    client = await server.createClient();
    const { client_id } = await server.createClient({
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [await exportJWK(publicKey)] },
    });
    signer = { id: client_id, key: privateKey };
    await register(server);
    await addTotp(server, person);
    await obtainTokens(server, client, await server.createPerson());
    assert.equal((await ask(await assertion({}))).status, 200);
    await server.sql("update client set seen_at = now() - interval '80 days' where registration = 'dynamic'");
    await server.sql("update user_account set delete_after = now() + interval '1 hour' where id = $1", [(await server.createPerson()).id]);
  });
  after(() => server.close());

  const assertion = (claims: Record<string, unknown>) =>
    new SignJWT({ iss: signer.id, sub: signer.id, aud: server.issuer, jti: randomUUID(), iat: now(), exp: now() + 60, ...claims })
      .setProtectedHeader({ alg: 'ES256' })
      .sign(signer.key);
  const ask = (client_assertion: string) =>
    post(server, '/oauth/token', undefined, { grant_type: 'client_credentials', client_assertion_type: TYPE, client_assertion });
  const restored = (...args: string[]) => runCommand(server, 'database', 'after-restore', ...args);

  it('knows of every table that an export leaves out whether its rows end', () => {
    assert.deepEqual([...ENDED, 'protocol_record', ...STAYS].sort(), Object.keys(LEFT_OUT).sort());
  });

  it('explains itself, and does nothing that nobody confirmed', async () => {
    assert.match(restored('--help').stdout, /^Usage: munjigi database after-restore/);
    await unchanged(server, async () => {
      assert.match(restored().stderr, /--yes/);
      assert.equal(answerCommand(server, 'n', 'database', 'after-restore').status, 1);
      assert.equal(restored('--now').status, 2);
    });
  });

  it('ends every credential, and leaves all other rows as they are', async () => {
    const other = { user_account: "- 'delete_after'", client: "- 'seen_at'", totp_factor: "- 'last_step'" };
    const dump = () => dumpTables(server, (table) => `(to_jsonb(t) ${other[table as keyof typeof other] ?? ''})::text`);
    const before = await dump();
    assert(before['token']?.length && before['session']?.length);
    const { status, stdout, stderr } = restored('--yes');
    assert.equal(status, 0, stderr);
    assert.match(stdout, new RegExp(`^token +${before['token'].length}$`, 'm'));
    const after = await dump();
    for (const table of ENDED) assert.deepEqual(after[table], [], table);
    for (const [table, rows] of Object.entries(before))
      if (![...ENDED, 'protocol_record', 'audit_event', 'hourly_count'].includes(table)) assert.deepEqual(after[table], rows, table);
    assert.deepEqual(await server.sql('select distinct kind::text from protocol_record order by kind'), [
      { kind: 'RegistrationAccessToken' },
      { kind: 'ReplayDetection' },
    ]);
    assert.equal(await countRows(server, "audit_event where type = 'backup_restored' and (detail->>'rows')::int > 0"), 1);
  });

  it('takes no code of an authenticator app up to now', async () => {
    const step = 'floor(extract(epoch from now()) / 30)';
    assert.equal(await countRows(server, `totp_factor where last_step between ${step} - 3 and ${step} + 1`), 1);
    // Two steps for the time that this test takes.
    assert.equal(await countRows(server, `totp_factor where last_step >= ${step} - 1`), 1);
  });

  it('gives users who wait for deletion, and clients that registered themselves, their time again', async () => {
    assert.equal(await countRows(server, "user_account where delete_after > now() + interval '13 days'"), 1);
    assert.equal(await countRows(server, "client where registration = 'dynamic' and seen_at < now() - interval '1 day'"), 0);
  });

  it('refuses client assertions that could be used before, for their row may be lost, and takes new ones', async () => {
    // The last one has no time of issue: it could be one of an hour.
    for (const claims of [{ iat: now() - 60 }, { iat: now() - 60, exp: now() + 3_000 }, { iat: undefined }])
      await assertRefused(await unchanged(server, async () => ask(await assertion(claims))), 401, 'invalid_client');
    assert.equal((await ask(await assertion({}))).status, 200);
    assert.equal((await ask(await assertion({ iat: undefined, exp: now() + 3_600 }))).status, 200);
  });

  it('refuses DPoP proofs from before, and takes new ones', async () => {
    const key = await createProofKey();
    const by = async (seconds: number) =>
      post(server, '/oauth/token', client, { grant_type: 'client_credentials' }, await key.proof(server, '/oauth/token', seconds));
    await assertRefused(await unchanged(server, () => by(-60)), 400, 'invalid_grant');
    assert.equal((await by(0)).status, 200);
  });

  it('asks that for two hours, after which nothing from before is good', async () => {
    await server.sql("update protocol_record set expires_at = now() where payload ? 'restoredAt'");
    assert.equal((await ask(await assertion({ iat: now() - 60 }))).status, 200);
  });
});
