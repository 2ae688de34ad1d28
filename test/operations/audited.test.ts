import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { answerCommand, runCommand } from '../support/command.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { callApi, obtainTokens } from '../support/flow.ts';
import { askToRegister, METADATA, type RegisteredClient } from '../support/registration.ts';
import { countRows, unchanged } from '../support/storage.ts';
import { addProvider, startUpstream } from '../support/upstream.ts';

describe('What operators do by commands is told with it', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer({ registration: 'token' });
  });
  after(() => server.close());

  const client = (...args: string[]) => runCommand(server, 'clients', ...args);
  const token = (...args: string[]) => runCommand(server, 'initial-access-tokens', ...args);
  const eventsOf = (clientId: string) =>
    server.sql(
      'select type, account_id as account, actor_id as actor, address, request_id as by, detail from audit_event where client_id = $1 order by at, id',
      [clientId],
    );
  const told = (type: string, detail = {}) => ({ type, account: null, actor: null, address: '', by: 'operator', detail });

  it('suspending, restoring, verifying, secrets and services of a client', async () => {
    const upstream = await startUpstream();
    try {
      await addProvider(server, upstream, { id: 'far', services: ['notes.read'] });
      const { client_id } = await server.createClient({ client_name: 'Bell' });
      const acts = [
        ['suspend', client_id, '--yes'],
        ['restore', client_id],
        ['new-secret', client_id, '--expire-old-in', '2'],
        ['verify', client_id, '--publisher', 'Bell & Sons', '--yes'],
        ['unverify', client_id, '--yes'],
        ['require-pkce', client_id, '--yes'],
        ['waive-pkce', client_id, '--yes'],
        ['allow-services', client_id, '--services', 'far', '--origins', 'https://app.example', '--yes'],
        ['allow-services', client_id, '--services', '', '--yes'],
        ['delete', client_id, '--yes'],
      ];
      for (const act of acts) {
        const done = client(...act);
        assert.equal(done.status, 0, `${act.join(' ')}: ${done.stderr}`);
      }
      assert.deepEqual(await eventsOf(client_id), [
        told('client_suspended'),
        told('client_restored'),
        told('client_secret_made', { overlapHours: 2 }),
        told('client_verified', { publisher: 'Bell & Sons' }),
        told('client_unverified'),
        told('client_pkce_changed', { required: true }),
        told('client_pkce_changed', { required: false }),
        told('client_services_changed', { services: ['far'], origins: ['https://app.example'] }),
        told('client_services_changed', { services: [], origins: [] }),
        told('client_suspended'),
        told('client_deleted', { people: 0 }),
      ]);
    } finally {
      await upstream.close();
    }
  });

  it('nothing, of a client that there is not, or of what was not confirmed', async () => {
    const { client_id } = await server.createClient({ token_endpoint_auth_method: 'none' });
    const acts = [
      ...['suspend', 'restore', 'unverify', 'require-pkce', 'waive-pkce', 'allow-services', 'new-secret', 'delete'].map((act) => [
        act,
        'nobody',
      ]),
      ['verify', 'nobody', '--publisher', 'Bell'],
    ];
    await unchanged(server, async () => {
      for (const act of acts)
        assert.equal(client(...act, ...(act[0] === 'restore' || act[0] === 'new-secret' ? [] : ['--yes'])).status, 1, act.join(' '));
      assert.equal(client('new-secret', client_id).status, 1, 'it has no secrets');
      assert.equal(client('suspend', client_id).status, 1);
      assert.equal(token('end', 'unknown', '--yes').status, 1);
      assert.equal(token('end-with-clients', 'unknown', '--yes').status, 1);
    });
  });

  it('initial access tokens; one that is revoked takes its clients along when that is confirmed', async () => {
    const made = token('create', '--name', 'Walk', '--max-clients', '3', '--json');
    assert.equal(made.status, 0, made.stderr);
    const { id, token: value } = JSON.parse(made.stdout) as { id: string; token: string };
    const authorization = `Bearer ${value}`;
    const register = async () => (await (await askToRegister(server, METADATA, { authorization })).json()) as RegisteredClient;
    const [first, second] = [await register(), await register()];
    const witness = await server.createClient();
    const app = { ...first, redirect_uri: 'https://walk.example/cb' };
    const tokens = await obtainTokens(server, app, await server.createPerson(), { scope: 'openid profile' });
    assert.equal((await callApi(server, '/api/me', tokens.access_token)).status, 200);
    // An id of the library's may begin with a dash.
    const shown = client('describe', '--', first.client_id);
    assert.match(shown.stdout, new RegExp(`^with the token +${id}$`, 'm'), shown.stderr);

    const asked = await unchanged(server, async () => token('end-with-clients', id));
    assert.equal(asked.status, 1);
    assert.match(asked.stderr, /--yes/);
    const refused = await unchanged(server, async () => answerCommand(server, 'n', 'initial-access-tokens', 'end-with-clients', id));
    assert.match(refused.stdout, /delete the 2 clients that it made, with all that users gave them, for good\?/);
    assert.equal(refused.status, 1);

    assert.equal(token('end', id, '--yes').status, 0, 'the token first, and its clients when one thinks of them');
    assert.equal(await countRows(server, 'client where registered_with = $1', [id]), 2);
    const done = token('end-with-clients', id, '--yes');
    assert.equal(done.status, 0, done.stderr);
    assert.match(done.stdout, /has ended, and the 2 clients that it made with it/);
    assert.equal(await countRows(server, 'client where registered_with = $1', [id]), 0);
    assert.equal(await countRows(server, 'client where id = $1', [witness.client_id]), 1);
    assert.equal((await callApi(server, '/api/me', tokens.access_token)).status, 401);
    for (const { client_id, people } of [
      { ...first, people: 1 },
      { ...second, people: 0 },
    ])
      assert.deepEqual((await eventsOf(client_id)).at(-1), told('client_deleted', { people }));
    const events = await server.sql(`select type, detail from audit_event where type like 'initial_access_token_%' order by at, id`);
    assert.deepEqual(events, [
      { type: 'initial_access_token_made', detail: { name: 'Walk', clients: 3, token: id } },
      { type: 'initial_access_token_ended', detail: { token: id } },
    ]);
    assert.equal((await unchanged(server, () => askToRegister(server, METADATA, { authorization }))).status, 401);
  });
});
