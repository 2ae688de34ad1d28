import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createProofKey } from '../support/dpop.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { post } from '../support/flow.ts';
import { assertRefused } from '../support/refusals.ts';
import { unchanged } from '../support/storage.ts';

describe('A DPoP proof (RFC 9449 section 11.1)', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  it('is accepted once during its whole lifetime, also when it is dated ahead', async () => {
    const [key, client] = [await createProofKey(), await server.createClient()];
    for (const [ahead, goodFor] of [
      [0, 298],
      [45, 343],
      [290, 588],
      [-200, 98],
    ] as const) {
      const proof = await key.proof(server, '/oauth/token', ahead);
      const ask = () => post(server, '/oauth/token', client, { grant_type: 'client_credentials' }, proof);
      assert.equal((await ask()).status, 200, `${ahead} seconds ahead`);
      // Lets `goodFor` seconds pass: the replay row must still exist.
      await server.sql(`update protocol_record set expires_at = expires_at - $1 * interval '1 second' where kind = 'ReplayDetection'`, [
        goodFor,
      ]);
      await assertRefused(await unchanged(server, ask), 400, 'invalid_grant');
    }
    const proof = await key.proof(server, '/oauth/token', 310);
    const late = () => post(server, '/oauth/token', client, { grant_type: 'client_credentials' }, proof);
    await assertRefused(await unchanged(server, late), 400, 'invalid_dpop_proof');
  });
});
