import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { findProvider } from '../../src/features/federation/providers.ts';
import { reach } from '../../src/features/federation/vault.ts';
import { verifyTotp } from '../../src/features/totp/totp.ts';
import { KeyRing, keyId } from '../../src/platform/secrets.ts';
import { runCommand } from '../support/command.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { addTotp, totpCode } from '../support/factors.ts';
import { age, createReaching, type Reaching, refreshes } from '../support/linked.ts';
import { unchanged } from '../support/storage.ts';
import { addProvider, startUpstream, type TestUpstream } from '../support/upstream.ts';

describe('munjigi keys reseal', () => {
  let server: TestServer;
  let upstream: TestUpstream;
  let reaching: Reaching;
  let secret: string;
  let keys: { old: Uint8Array; fresh: Uint8Array };
  before(async () => {
    [server, upstream] = await Promise.all([startTestServer(), startUpstream()]);
    keys = { old: server.config.dataEncryptionKeys[0] as Uint8Array, fresh: new Uint8Array(randomBytes(32)) };
    await addProvider(server, upstream, { services: ['notes.read'] });
    const gone = await createReaching(server, upstream);
    await server.sql('delete from upstream_identity where account_id = $1', [gone.person.id]);
    reaching = await createReaching(server, upstream);
    ({ secret } = await addTotp(server, reaching.person));
  });
  after(() => Promise.all([server.close(), upstream.close()]));

  const reseal = (...dataEncryptionKeys: Uint8Array[]) =>
    runCommand({ ...server, config: { ...server.config, dataEncryptionKeys } }, 'keys', 'reseal');
  const reached = async (...ring: Uint8Array[]) => {
    const provider = await findProvider(server.database, 'far');
    assert(provider);
    const whose = { accountId: reaching.person.id, grantId: reaching.grantId, needed: ['notes.read'], allowed: ['notes.read'] };
    return reach(server.database, new KeyRing(ring), provider, whose);
  };

  it('changes nothing where the newest key has sealed all', async () => {
    const { status, stdout } = await unchanged(server, async () => reseal(keys.old));
    assert.equal(status, 0);
    assert.match(stdout, /upstream_token\.refresh_token: 0 sealed again/);
  });

  it('changes nothing that it cannot open, and says so', async () => {
    const { status, stdout } = await unchanged(server, async () => reseal(keys.fresh));
    assert.equal(status, 1);
    assert.match(stdout, /upstream_provider\.credentials: 0 sealed again, 1 that no key in DATA_ENCRYPTION_KEYS opens/);
  });

  it('waits until nodes write with the newest key', async () => {
    await server.sql(`insert into key_use (kind, id, used_from) values ('data', $1, now() + interval '1 hour')`, [keyId(keys.fresh)]);
    const { status, stderr } = await unchanged(server, async () => reseal(keys.fresh, keys.old));
    assert.equal(status, 1);
    assert.match(stderr, /is not in use yet: run munjigi keys use/);
    await server.sql('update key_use set used_from = now()');
  });

  it('leaves alone what somebody is refreshing', async () => {
    await server.sql(`update upstream_token set claimed_until = now() + interval '1 minute'`);
    const { status, stdout } = reseal(keys.fresh, keys.old);
    assert.equal(status, 1);
    assert.match(stdout, /upstream_token\.access_token: 0 sealed again, 1 in use: run it again/);
    await server.sql('update upstream_token set claimed_until = null');
  });

  it('seals anew, so that the older key can go', async () => {
    assert.equal(reseal(keys.fresh, keys.old).status, 0);
    assert.equal((await reached(keys.fresh)).kind, 'token');
    await age(server, 3_600);
    assert.equal((await reached(keys.fresh)).kind, 'token');
    assert.equal(refreshes(upstream), 1);
    const keyRing = new KeyRing([keys.fresh]);
    // The code of the moment was used when the app was set up.
    assert.deepEqual(await verifyTotp(server.database, { keyRing, accountId: reaching.person.id, code: totpCode(secret, 1) }), {
      ok: true,
    });
    await assert.rejects(reached(keys.old), /no key in DATA_ENCRYPTION_KEYS/);
    for (const { access_token } of await server.sql('select access_token from upstream_revocation'))
      assert.ok(String(access_token).startsWith(keyRing.newest));
  });
});
