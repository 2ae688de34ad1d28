import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { runCommand } from '../support/command.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { addPasskey, addTotp, makeRecoveryCodes, openAccount } from '../support/factors.ts';
import { introspect, obtainTokens, refresh } from '../support/flow.ts';

describe('munjigi people', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  const people = (...args: string[]) => runCommand(server, 'people', ...args);

  it('asks first, and without anybody to ask changes nothing', async () => {
    const client = await server.createClient();
    const person = await server.createPerson();
    const { access_token } = await obtainTokens(server, client, person);
    const { status, stderr } = people('disable', person.email);
    assert.equal(status, 1);
    assert.match(stderr, /--yes/);
    assert.equal((await introspect(server, client, access_token))['active'], true);
  });

  it('ends what is open under an account at once, and that of nobody else', async () => {
    const client = await server.createClient();
    const [person, neighbour] = [await server.createPerson(), await server.createPerson()];
    const [tokens, theirs] = [await obtainTokens(server, client, person), await obtainTokens(server, client, neighbour)];
    const { status, stderr } = people('disable', person.email.toUpperCase(), '--yes');
    assert.equal(status, 0, stderr);
    assert.deepEqual(await introspect(server, client, tokens.access_token), { active: false });
    assert.equal((await refresh(server, client, String(tokens.refresh_token))).status, 400);
    assert.deepEqual(await server.sql('select 1 from session where account_id = $1', [person.id]), []);
    assert.equal((await introspect(server, client, theirs.access_token))['active'], true);
  });

  it('takes the factors of somebody who lost them away, with what is open, and says so on their page', async () => {
    const client = await server.createClient();
    const [person, neighbour] = [await server.createPerson(), await server.createPerson()];
    const { person: browser } = await addTotp(server, person);
    await addPasskey(server, person, browser);
    await makeRecoveryCodes(browser);
    await addTotp(server, neighbour);
    assert.equal(people('remove-factors', person.email).status, 1, 'it asks first');
    const factors = (id: string) =>
      server.sql(
        'select 1 from totp_factor where account_id = $1 union all select 1 from passkey where account_id = $1 union all select 1 from recovery_code where account_id = $1',
        [id],
      );
    assert.equal((await factors(person.id)).length, 12);

    const { status, stderr, stdout } = people('remove-factors', person.email, '--yes');
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^Done: people remove-factors /);
    assert.deepEqual(await factors(person.id), []);
    assert.equal((await factors(neighbour.id)).length, 1);
    assert.match((await browser.open('/account')).html, /name="password"/, 'the lost device is signed out');
    await obtainTokens(server, client, person);
    assert.match((await openAccount(browser, '/account/activity', person)).html, /All factors removed by an operator/);
  });

  it('says that an address is unknown, and exits 1', () => {
    const { status, stderr } = people('disable', 'nobody@people.example', '--yes');
    assert.equal(status, 1);
    assert.match(stderr, /there is no person nobody@people\.example/);
  });
});
