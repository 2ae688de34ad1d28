import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { loadSigningKeys } from '../../src/oauth/keys/signing-keys.ts';
import { KeyRing } from '../../src/platform/secrets.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { obtainTokens } from '../support/flow.ts';

describe('Signing keys', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  const published = async (node: TestServer) =>
    ((await (await node.send(`${node.issuer}/oauth/jwks`)).json()) as { keys: Record<string, unknown>[] }).keys;

  it('are created at the first start, one for each algorithm, and published without their private part', async () => {
    const keys = await published(server);
    assert.deepEqual(keys.map(({ alg }) => alg).sort(), ['ES256', 'EdDSA', 'PS256', 'RS256']);
    assert.equal(keys[0]?.['alg'], 'RS256', 'the default is first, for libraries that try keys in order');
    for (const key of keys) for (const secret of ['d', 'p', 'q', 'dp', 'dq', 'qi']) assert.equal(key[secret], undefined);
  });

  it('are the same on every node', async () => {
    const other = await server.secondNode();
    assert.deepEqual(await published(other), await published(server));
    await other.close();
  });

  it('verify an ID Token with RS256, from the published keys only', async () => {
    const client = await server.createClient();
    const person = await server.createPerson();
    const { id_token } = await obtainTokens(server, client, person);
    const keys = createRemoteJWKSet(new URL(`${server.issuer}/oauth/jwks`));
    const { payload, protectedHeader } = await jwtVerify(String(id_token), keys, { issuer: server.issuer, audience: client.client_id });
    assert.equal(payload.sub, person.id);
    assert.equal(protectedHeader.alg, 'RS256');
  });

  it('are encrypted in the database: no row has a plain private key, and another key ring cannot decrypt them', async () => {
    const rows = await server.sql('select private_jwk from signing_key');
    assert.equal(rows.length, 4);
    for (const row of rows) assert.match(String(row['private_jwk']), /^v1\.[0-9a-f]{8}\./);
    const stranger = new KeyRing([new Uint8Array(randomBytes(32))]);
    await assert.rejects(loadSigningKeys(server.database, stranger), /no key in DATA_ENCRYPTION_KEYS opens/);
    assert.equal((await server.sql('select 1 from signing_key')).length, 4, 'new keys were made instead');
  });

  it('are the same for nodes that start together on an empty database', async () => {
    await server.sql('delete from signing_key');
    const ring = new KeyRing(server.config.dataEncryptionKeys);
    const sets = await Promise.all(Array.from({ length: 4 }, () => loadSigningKeys(server.database, ring)));
    for (const set of sets) assert.deepEqual(set, sets[0]);
    assert.equal((await server.sql('select 1 from signing_key')).length, 4);
  });
});
