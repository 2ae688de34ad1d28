import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { answerScript } from '../support/command.ts';
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
      [/Delete \S+, "Bell"\? With it 1 person loses access, for good\. \[y\/N\]/, ['client', 'delete', client.client_id]],
      [/Keep \S+ from signing in/, ['account', 'disable', person.email]],
      [/Sign \S+ out of every browser\?/, ['account', 'end-sessions', person.email]],
      [/Let \S+ run this place\?/, ['account', 'make-admin', person.email]],
      [/Let \S+ run this place no longer\?/, ['account', 'unmake-admin', person.email]],
      [/End all that \S+ holds, for whomever\?/, ['tokens', 'revoke', '--client', client.client_id]],
      [/End all that \S+ allowed\?/, ['tokens', 'revoke', '--account', person.email]],
      [/End grant \S+, to c-/, ['tokens', 'revoke', `--grant=${grant?.['id']}`]],
    ];
    await unchanged(server, async () => {
      for (const [question, [name = '', ...args]] of orders)
        for (const answer of ['n', '', 'yo']) {
          const { status, stdout } = answerScript(server, answer, name, ...args);
          assert.equal(status, 1, `${args.join(' ')}: ${answer}`);
          assert.match(stdout, question);
          assert(!stdout.includes(access_token));
        }
    });
  });

  it('do it on yes', async () => {
    const [client, person] = [await server.createClient(), await server.createPerson()];
    await obtainTokens(server, client, person);
    const revoked = answerScript(server, 'y', 'tokens', 'revoke', '--account', person.email);
    assert.equal(revoked.status, 0, revoked.stderr);
    assert.equal(await countRows(server, 'grant_record where account_id = $1', [person.id]), 0);
    const deleted = answerScript(server, 'yes', 'client', 'delete', client.client_id);
    assert.equal(deleted.status, 0, deleted.stderr);
    assert.match(deleted.stdout, /0 people have lost access/);
    assert.equal(await countRows(server, 'client where id = $1', [client.client_id]), 0);
  });
});
