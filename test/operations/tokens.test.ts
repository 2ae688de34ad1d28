import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { digestInHex } from '../../src/platform/secrets.ts';
import { runScript } from '../support/command.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { openAccount } from '../support/factors.ts';
import { clientCredentials, createResourceServerClient, introspect, obtainTokens, refresh, type TestClient } from '../support/flow.ts';
import { countRows, unchanged } from '../support/storage.ts';

describe('scripts/tokens.ts', () => {
  let server: TestServer;
  /** Hears of the tokens of every client. */
  let api: TestClient;
  before(async () => {
    server = await startTestServer();
    api = await createResourceServerClient(server);
  });
  after(() => server.close());

  const tokens = (...args: string[]) => runScript(server, 'tokens', ...args);
  const done = (...args: string[]) => {
    const { status, stdout, stderr } = tokens(...args);
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
      const stdout = done('list', ...args);
      const handles = stdout
        .trim()
        .split('\n')
        .slice(1)
        .map((line) => line.split(' ')[0]);
      assert.deepEqual(handles.sort(), expected.map(handleOf).sort(), args.join(' '));
      for (const value of expected) assert(!stdout.includes(String(value)) && !stdout.includes(digestInHex(String(value))));
    }
    assert.match(
      done('list', '--client', client.client_id),
      new RegExp(`^${handleOf(own.access_token)} +ClientCredentials +${client.client_id} +- +- `, 'm'),
    );
  });

  it('asks first, and without anybody to ask changes nothing', async () => {
    const { client, person, theirs } = await stage();
    const [grant] = await server.sql('select id from grant_record where client_id = $1', [client.client_id]);
    await unchanged(server, async () => {
      for (const args of [
        ['--client', client.client_id],
        ['--account', person.email],
        ['--client', client.client_id, '--account', person.email],
        [`--grant=${grant?.['id']}`],
        ['--token', handleOf(theirs.access_token)],
      ]) {
        const { status, stderr } = tokens('revoke', ...args);
        assert.equal(status, 1, args.join(' '));
        assert.match(stderr, /--yes/);
      }
    });
  });

  it('ends all that a client holds, and nothing of another', async () => {
    const { client, theirs, atOther, neighbours, own } = await stage();
    assert.match(done('revoke', '--client', client.client_id, '--yes'), /has ended \(9 codes, tokens and grants\)/);
    for (const token of [theirs.access_token, neighbours.access_token, own.access_token]) assert.equal(await stands(token), false);
    assert.equal((await refresh(server, client, String(theirs.refresh_token))).status, 400);
    assert.equal(await stands(atOther.access_token), true);
    assert.equal(await ended('client_id = $1', [client.client_id]), 1);
    assert((await clientCredentials(server, client)).access_token, 'it may ask for more');
  });

  it('ends all that a person allowed, leaves them signed in, and says so on their page', async () => {
    const { person, theirs, atOther, neighbours } = await stage();
    done('revoke', '--account', person.email, '--yes');
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
      const args = by === 'both' ? ['--client', client.client_id, '--account', person.email] : [`--grant=${grant?.['id']}`];
      done('revoke', ...args, '--yes');
      assert.equal(await stands(theirs.access_token), false, by);
      assert.equal((await refresh(server, client, String(theirs.refresh_token))).status, 400);
      assert.equal(await stands(atOther.access_token), true);
      assert.equal(await stands(neighbours.access_token), true);
      assert.equal(await ended('client_id = $1 and account_id = $2', [client.client_id, person.id]), 1);
    }
  });

  it('ends one token by its handle, and nothing beside it', async () => {
    const { client, theirs, neighbours } = await stage();
    done('revoke', '--token', handleOf(theirs.access_token), '--yes');
    assert.equal(await stands(theirs.access_token), false);
    assert.equal(await stands(neighbours.access_token), true);
    assert.equal((await refresh(server, client, String(theirs.refresh_token))).status, 200);
  });

  it('changes nothing for what is unknown, for the value of a token, or for an order that makes no sense', async () => {
    const { client, person, theirs } = await stage();
    await unchanged(server, async () => {
      for (const args of [
        ['list'],
        ['list', '--client', 'nobody'],
        ['list', '--account', 'nobody@people.example'],
        ['list', '--grant', 'x'],
        ['revoke', '--yes'],
        ['revoke', '--client', 'nobody', '--yes'],
        ['revoke', '--account', 'nobody@people.example', '--yes'],
        ['revoke', '--client', 'nobody', '--account', person.email, '--yes'],
        ['revoke', '--client', client.client_id, '--account', 'nobody@people.example', '--yes'],
        ['revoke', '--grant', 'nothing', '--yes'],
        ['revoke', '--client', client.client_id, '--grant', 'nothing', '--yes'],
        ['revoke', '--token', 'f'.repeat(16), '--yes'],
        ['revoke', '--token', '%', '--yes'],
        ['revoke', client.client_id, '--yes'],
        ['end', '--client', client.client_id],
        [],
      ])
        assert.equal(tokens(...args).status, 1, args.join(' '));
      const { status, stdout, stderr } = tokens('revoke', `--token=${theirs.access_token}`, '--yes');
      assert.equal(status, 1);
      assert(!(stdout + stderr).includes(String(theirs.access_token)), 'it is not repeated');
    });
    assert.equal(tokens('--help').status, 0);
  });
});
