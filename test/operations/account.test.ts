import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { runScript } from '../support/command.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { introspect, obtainTokens, refresh } from '../support/flow.ts';

describe('scripts/account.ts disable', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  const account = (...args: string[]) => runScript(server, 'account', ...args);

  it('asks first, and without anybody to ask changes nothing', async () => {
    const client = await server.createClient();
    const person = await server.createPerson();
    const { access_token } = await obtainTokens(server, client, person);
    const { status, stderr } = account('disable', person.email);
    assert.equal(status, 1);
    assert.match(stderr, /--yes/);
    assert.equal((await introspect(server, client, access_token))['active'], true);
  });

  it('ends what is open under an account at once, and that of nobody else', async () => {
    const client = await server.createClient();
    const [person, neighbour] = [await server.createPerson(), await server.createPerson()];
    const [tokens, theirs] = [await obtainTokens(server, client, person), await obtainTokens(server, client, neighbour)];
    const { status, stderr } = account('disable', person.email.toUpperCase(), '--yes');
    assert.equal(status, 0, stderr);
    assert.deepEqual(await introspect(server, client, tokens.access_token), { active: false });
    assert.equal((await refresh(server, client, String(tokens.refresh_token))).status, 400);
    assert.deepEqual(await server.sql('select 1 from session where account_id = $1', [person.id]), []);
    assert.equal((await introspect(server, client, theirs.access_token))['active'], true);
  });

  it('says that an address is unknown, and exits 1', () => {
    const { status, stdout } = account('disable', 'nobody@people.example', '--yes');
    assert.equal(status, 1);
    assert.match(stdout, /there is no account/);
  });
});
