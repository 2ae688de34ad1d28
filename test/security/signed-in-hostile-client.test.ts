import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { obtainTokens } from '../support/flow.ts';

describe('A client_id that the database cannot store, from a signed-in browser', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  it('is an unknown client, never a server error, and does not change the session', async () => {
    const { person } = await obtainTokens(server, await server.createClient(), await server.createPerson());
    const sessions = () => server.sql('select id, uid, account_id from session order by id');
    const before = await sessions();
    for (const id of ['%00', 'a%00b', '%ED%A0%80', '__proto__']) {
      const response = await person.request(
        `/oauth/authorize?client_id=${id}&response_type=code&redirect_uri=https://client.example/callback`,
      );
      assert.equal(response.status, 400, id);
    }
    assert.deepEqual(await sessions(), before);
  });
});
