import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { runScript } from '../support/command.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { clientCredentials, introspect, post, type TestClient } from '../support/flow.ts';
import { unchanged } from '../support/storage.ts';

describe('scripts/client.ts', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  const command = (...args: string[]) => runScript(server, 'client', ...args);
  const status = async (client: TestClient) => (await post(server, '/oauth/token', client, { grant_type: 'client_credentials' })).status;

  it('suspends: asks first, and without anybody to ask changes nothing', async () => {
    const client = await server.createClient();
    const { access_token } = await clientCredentials(server, client);
    const { status: exit, stderr } = await unchanged(server, async () => command('suspend', client.client_id));
    assert.equal(exit, 1);
    assert.match(stderr, /--yes/);
    assert.equal((await introspect(server, client, access_token))['active'], true);
  });

  it('suspends, lists what is suspended, and restores', async () => {
    const [client, witness] = [await server.createClient({ client_name: 'Bell \u001b[31m' }), await server.createClient()];
    const { access_token } = await clientCredentials(server, client);
    const suspended = command('suspend', client.client_id, '--yes');
    assert.equal(suspended.status, 0, suspended.stderr);
    assert.match(suspended.stdout, /is suspended, and all that it held has ended \(1 codes, tokens and grants\)/);
    await eventually('it is refused', async () => (await status(client)) === 401);
    const { stdout } = command('list');
    const line = (id: string) => stdout.split('\n').find((text) => text.startsWith(id)) ?? '';
    assert.match(line(client.client_id), /operator +- +client_secret_basic +1 +\S+Z +\d{4}-\S+Z$/);
    assert.match(line(witness.client_id), /-$/);
    assert.ok(!stdout.includes('\u001b'), 'a name must not speak to the terminal');
    assert.equal(command('restore', client.client_id).status, 0);
    await eventually('it is let in', async () => (await status(client)) === 200);
    assert.deepEqual(await introspect(server, witness, access_token), { active: false });
  });

  it('makes a secret that works beside the old one, which ends in time, or at once when that is confirmed', async () => {
    const client = await server.createClient();
    const made = command('new-secret', client.client_id, '--expire-old-in', '2');
    assert.equal(made.status, 0, made.stderr);
    const renewed = { ...client, client_secret: made.stdout.split('\n')[0] as string };
    await eventually('the new one works', async () => (await status(renewed)) === 200);
    assert.equal(await status(client), 200);
    const ends =
      'select round(extract(epoch from expires_at - max(created_at) over ()) / 60)::int as minutes from client_secret where client_id = $1 order by created_at';
    assert.deepEqual(await server.sql(ends, [client.client_id]), [{ minutes: 120 }, { minutes: null }]);
    const refused = await unchanged(server, async () => command('new-secret', client.client_id, '--expire-old-in', '0'));
    assert.equal(refused.status, 1);
    const last = command('new-secret', client.client_id, '--expire-old-in', '0', '--yes');
    await eventually('the others have ended', async () => (await status(renewed)) === 401 && (await status(client)) === 401);
    assert.equal(await status({ ...client, client_secret: last.stdout.split('\n')[0] as string }), 200);
  });

  it('does nothing for a client that is unknown or has no secret, or for an order that makes no sense', async () => {
    const { client_id } = await server.createClient({ token_endpoint_auth_method: 'none' });
    await unchanged(server, async () => {
      for (const args of [
        ['new-secret', client_id],
        ['new-secret', 'nobody'],
        ['suspend', 'nobody', '--yes'],
        ['restore', 'nobody'],
        ['new-secret', client_id, '--expire-old-in', 'soon'],
        ['suspend'],
        [],
      ])
        assert.equal(command(...args).status, 1, args.join(' '));
    });
    assert.equal(command('--help').status, 0);
  });
});
