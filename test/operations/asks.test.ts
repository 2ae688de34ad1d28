import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { answerCommand } from '../support/command.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { obtainTokens } from '../support/flow.ts';
import { countRows, unchanged } from '../support/storage.ts';

describe('Commands that ask', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  it('say what is lost, and change nothing on no, nor on what is no answer', async () => {
    const [client, person] = [await server.createClient({ client_name: 'Bell' }), await server.createPerson()];
    const { access_token } = await obtainTokens(server, client, person);
    const [grant] = await server.sql('select id from grant_record where client_id = $1', [client.client_id]);
    const orders: [RegExp, string[]][] = [
      [/delete client \S+, "Bell", with which 1 user loses access for good\. .* \[y\/N\]/, ['clients', 'delete', client.client_id]],
      [/Disable a user's account, and end its sessions/, ['people', 'disable', person.email]],
      [/Sign a user out of every browser/, ['people', 'end-sessions', person.email]],
      [/Change a user's role, and sign the user out/, ['people', 'change-role', person.email, '--role', 'admin']],
      [/end-access client \S+, "Bell"\. End all codes, tokens and grants of a client/, ['clients', 'end-access', client.client_id]],
      [/End all grants of a user/, ['people', 'end-access', person.email]],
      [/end grant \S+, to client c-/, ['grants', 'end', '--', String(grant?.['id'])]],
      [/End all that \S+ allowed \S+\?/, ['grants', 'end-between', '--client', client.client_id, '--account', person.email]],
    ];
    await unchanged(server, async () => {
      for (const [question, args] of orders)
        for (const answer of ['n', '', 'yo']) {
          const { status, stdout } = answerCommand(server, answer, ...args);
          assert.equal(status, 1, `${args.join(' ')}: ${answer}`);
          assert.match(stdout, question);
          assert(!stdout.includes(access_token));
        }
    });
  });

  it('do it on yes', async () => {
    const [client, person] = [await server.createClient(), await server.createPerson()];
    await obtainTokens(server, client, person);
    const revoked = answerCommand(server, 'y', 'people', 'end-access', person.email);
    assert.equal(revoked.status, 0, revoked.stderr);
    assert.equal(await countRows(server, 'grant_record where account_id = $1', [person.id]), 0);
    const deleted = answerCommand(server, 'yes', 'clients', 'delete', client.client_id);
    assert.equal(deleted.status, 0, deleted.stderr);
    assert.match(deleted.stdout, /^people +0$/m);
    assert.equal(await countRows(server, 'client where id = $1', [client.client_id]), 0);
  });
});
