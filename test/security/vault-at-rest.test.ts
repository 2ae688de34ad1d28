import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { findProvider } from '../../src/features/federation/providers.ts';
import { reach } from '../../src/features/federation/vault.ts';
import { KeyRing } from '../../src/platform/secrets.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { age, createReaching, exchange, link, type Reaching } from '../support/linked.ts';
import { dumpTables } from '../support/storage.ts';
import { addProvider, startUpstream, type TestUpstream, UPSTREAM_CLIENT } from '../support/upstream.ts';

describe("Providers' tokens at rest", () => {
  let server: TestServer;
  let upstream: TestUpstream;
  let reaching: Reaching;
  before(async () => {
    [server, upstream] = await Promise.all([startTestServer(), startUpstream()]);
    await addProvider(server, upstream, { services: ['notes.read'] });
    reaching = await createReaching(server, upstream);
  });
  after(async () => {
    await Promise.all([server.close(), upstream.close()]);
  });

  const wanted = () => ({ accountId: reaching.person.id, grantId: reaching.grantId, needed: ['notes.read'], allowed: ['notes.read'] });
  const open = async (keys: Uint8Array[]) => {
    const provider = await findProvider(server.database, 'far');
    assert(provider);
    return reach(server.database, new KeyRing(keys), provider, wanted());
  };

  it('are in no row and not in the log, whether new, refreshed, or waiting for revocation', async () => {
    const secrets: string[] = [UPSTREAM_CLIENT.secret];
    const keep = async () => {
      const { tokens } = await link(server, upstream, { accountId: reaching.person.id, scopes: ['notes.read'] });
      secrets.push(tokens.accessToken, String(tokens.refreshToken));
    };
    await keep();
    await age(server, 3_600);
    const { access_token } = await (await exchange(server, reaching.client, reaching.accessToken)).json();
    secrets.push(access_token);
    const other = await createReaching(server, upstream);
    const { tokens } = await link(server, upstream, { accountId: other.person.id, scopes: ['notes.read'] });
    secrets.push(tokens.accessToken, String(tokens.refreshToken));
    await server.sql('delete from upstream_identity where account_id = $1', [other.person.id]);
    const dump = await dumpTables(server);
    assert.ok(dump['upstream_token']?.length && dump['upstream_revocation']?.length);
    const found = [...Object.values(dump).flat(), ...server.logLines()].filter((line) => secrets.some((secret) => line.includes(secret)));
    assert.deepEqual(found, []);
    for (const { access_token, refresh_token } of await server.sql(
      'select access_token, refresh_token from upstream_token union all select access_token, refresh_token from upstream_revocation',
    ))
      for (const sealed of [access_token, refresh_token]) assert.match(String(sealed), /^v1\.[0-9a-f]{8}\.[\w-]+\.[\w-]+$/);
  });

  it('are decrypted with a replaced key, and encrypted with the new one at the next refresh', async () => {
    const [old] = server.config.dataEncryptionKeys as [Uint8Array];
    const fresh = new Uint8Array(randomBytes(32));
    assert.equal((await open([fresh, old])).kind, 'token');
    const keyOf = async () => String((await server.sql('select access_token from upstream_token'))[0]?.['access_token']).split('.')[1];
    const before = await keyOf();
    await age(server, 3_600);
    // The provider's own credentials are still encrypted with the old key.
    assert.equal((await open([fresh, old])).kind, 'token');
    assert.notEqual(await keyOf(), before);
    await assert.rejects(open([old]), /no key in DATA_ENCRYPTION_KEYS/);
    await link(server, upstream, { accountId: reaching.person.id, scopes: ['notes.read'] });
  });

  it('cannot be decrypted in another row', async () => {
    const other = await createReaching(server, upstream);
    const [mine] = await server.sql(
      'select access_token from upstream_token t join upstream_identity i on i.id = t.identity_id where account_id = $1',
      [reaching.person.id],
    );
    await server.sql(
      'update upstream_token set access_token = $1 where identity_id in (select id from upstream_identity where account_id = $2)',
      [mine?.['access_token'], other.person.id],
    );
    const response = await exchange(server, other.client, other.accessToken);
    const text = await response.text();
    assert.equal(response.status, 500);
    assert.ok(!text.includes('access_token'), text);
  });
});
