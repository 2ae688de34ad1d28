import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { digestInHex } from '../../src/platform/secrets.ts';
import { runCommand } from '../support/command.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { openAccount } from '../support/factors.ts';
import { clientCredentials, createResourceServerClient, introspect, obtainTokens, refresh, type TestClient } from '../support/flow.ts';
import { countRows, unchanged } from '../support/storage.ts';

describe('munjigi tokens list, and what ends tokens', () => {
  let server: TestServer;
  /** Hears of the tokens of every client. */
  let api: TestClient;
  before(async () => {
    server = await startTestServer();
    api = await createResourceServerClient(server);
  });
  after(() => server.close());

  const run = (...args: string[]) => runCommand(server, ...args);
  const done = (...args: string[]) => {
    const { status, stdout, stderr } = run(...args);
    assert.equal(status, 0, stderr + stdout);
    return stdout;
  };
  const handleOf = (token: unknown) => digestInHex(String(token)).slice(0, 16);
  const stands = async (token: unknown) => (await introspect(server, api, String(token)))['active'];
  const ended = (where: string, values: unknown[]) =>
    countRows(server, `audit_event where type = 'access_ended' and request_id = 'operator' and ${where}`, values);

  /** Two people, two clients, and what each person gave each client. */
  async function stage() {
    const [client, other] = [await server.createClient(), await server.createClient()];
    const [person, neighbour] = [await server.createPerson(), await server.createPerson()];
    return {
      client,
      other,
      person,
      theirs: await obtainTokens(server, client, person),
      atOther: await obtainTokens(server, other, person),
      neighbours: await obtainTokens(server, client, neighbour),
      own: await clientCredentials(server, client),
    };
  }

  it('lists by client, by account and by both, with handles and no value', async () => {
    const { client, other, person, theirs, atOther, neighbours, own } = await stage();
    const lists: [string[], unknown[]][] = [
      [
        ['--client', client.client_id],
        [theirs.access_token, theirs.refresh_token, neighbours.access_token, neighbours.refresh_token, own.access_token],
      ],
      [
        ['--account', person.email.toUpperCase()],
        [theirs.access_token, theirs.refresh_token, atOther.access_token, atOther.refresh_token],
      ],
      [
        ['--client', other.client_id, '--account', person.email],
        [atOther.access_token, atOther.refresh_token],
      ],
    ];
    for (const [args, expected] of lists) {
      const stdout = done('tokens', 'list', ...args);
      const handles = stdout
        .trim()
        .split('\n')
        .slice(1)
        .map((line) => line.split(' ')[0]);
      assert.deepEqual(handles.sort(), expected.map(handleOf).sort(), args.join(' '));
      for (const value of expected) assert(!stdout.includes(String(value)) && !stdout.includes(digestInHex(String(value))));
    }
    assert.match(
      done('tokens', 'list', '--client', client.client_id),
      new RegExp(`^${handleOf(own.access_token)} +ClientCredentials +${client.client_id} +- +- `, 'm'),
    );
  });

  it('asks first, and without anybody to ask changes nothing', async () => {
    const { client, person, theirs } = await stage();
    const [grant] = await server.sql('select id from grant_record where client_id = $1', [client.client_id]);
    await unchanged(server, async () => {
      for (const args of [
        ['clients', 'end-access', client.client_id],
        ['people', 'end-access', person.email],
        ['grants', 'end-between', '--client', client.client_id, '--account', person.email],
        ['grants', 'end', '--', String(grant?.['id'])],
        ['tokens', 'end', handleOf(theirs.access_token)],
      ]) {
        const { status, stderr } = run(...args);
        assert.equal(status, 1, args.join(' '));
        assert.match(stderr, /--yes/);
      }
    });
  });

  it('ends all that a client holds, and nothing of another', async () => {
    const { client, theirs, atOther, neighbours, own } = await stage();
    assert.match(done('clients', 'end-access', client.client_id, '--yes'), /^ended +9$/m, 'codes, tokens and grants');
    for (const token of [theirs.access_token, neighbours.access_token, own.access_token]) assert.equal(await stands(token), false);
    assert.equal((await refresh(server, client, String(theirs.refresh_token))).status, 400);
    assert.equal(await stands(atOther.access_token), true);
    assert.equal(await ended('client_id = $1', [client.client_id]), 1);
    assert((await clientCredentials(server, client)).access_token, 'it may ask for more');
  });

  it('ends all that a person allowed, leaves them signed in, and says so on their page', async () => {
    const { person, theirs, atOther, neighbours } = await stage();
    done('people', 'end-access', person.email, '--yes');
    assert.equal(await stands(theirs.access_token), false);
    assert.equal(await stands(atOther.access_token), false);
    assert.equal(await stands(neighbours.access_token), true);
    assert(await countRows(server, 'session where account_id = $1', [person.id]));
    assert.match((await openAccount(theirs.person, '/account/activity', person)).html, /Access of an app revoked by an operator/);
  });

  it('ends what a person allowed one client, and by its id one grant', async () => {
    for (const by of ['both', 'grant']) {
      const { client, person, theirs, atOther, neighbours } = await stage();
      const [grant] = await server.sql('select id from grant_record where client_id = $1 and account_id = $2', [
        client.client_id,
        person.id,
      ]);
      if (by === 'both') done('grants', 'end-between', '--client', client.client_id, '--account', person.email, '--yes');
      else done('grants', 'end', '--yes', '--', String(grant?.['id']));
      assert.equal(await stands(theirs.access_token), false, by);
      assert.equal((await refresh(server, client, String(theirs.refresh_token))).status, 400);
      assert.equal(await stands(atOther.access_token), true);
      assert.equal(await stands(neighbours.access_token), true);
      assert.equal(await ended('client_id = $1 and account_id = $2', [client.client_id, person.id]), 1);
    }
  });

  it('ends one token by its handle, and nothing beside it', async () => {
    const { client, theirs, neighbours } = await stage();
    done('tokens', 'end', handleOf(theirs.access_token), '--yes');
    assert.equal(await stands(theirs.access_token), false);
    assert.equal(await stands(neighbours.access_token), true);
    assert.equal((await refresh(server, client, String(theirs.refresh_token))).status, 200);
  });

  it('changes nothing for what is unknown, for the value of a token, or for an order that makes no sense', async () => {
    const { client, person, theirs } = await stage();
    await unchanged(server, async () => {
      const between = (clientId: string, email: string) => ['grants', 'end-between', '--client', clientId, '--account', email];
      for (const [status, ...args] of [
        [1, 'tokens', 'list', '--client', 'nobody'],
        [1, 'tokens', 'list', '--account', 'nobody@people.example'],
        [2, 'tokens', 'list', '--grant', 'x'],
        [2, 'tokens', 'end', '--yes'],
        [1, 'clients', 'end-access', 'nobody', '--yes'],
        [1, 'people', 'end-access', 'nobody@people.example', '--yes'],
        [1, ...between('nobody', person.email), '--yes'],
        [1, ...between(client.client_id, 'nobody@people.example'), '--yes'],
        [2, 'grants', 'end-between', '--client', client.client_id, '--yes'],
        [1, 'grants', 'end', 'nothing', '--yes'],
        [2, 'grants', 'end', 'nothing', '--client', client.client_id, '--yes'],
        [1, 'tokens', 'end', 'f'.repeat(16), '--yes'],
        [1, 'tokens', 'end', '%', '--yes'],
        [1, 'tokens', 'end', client.client_id, '--yes'],
        [2, 'tokens', 'revoke', '--client', client.client_id],
        [2, 'tokens'],
      ] as [number, ...string[]][])
        assert.equal(run(...args).status, status, args.join(' '));
      const { status, stdout, stderr } = run('tokens', 'end', '--yes', '--', theirs.access_token);
      assert.equal(status, 1);
      assert(!(stdout + stderr).includes(String(theirs.access_token)), 'it is not repeated');
    });
    assert.equal(run('tokens', '--help').status, 0);
  });
});
