import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { runScript } from '../support/command.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { authorizePath, clientCredentials, introspect, pkce, post, type TestClient } from '../support/flow.ts';
import { Person } from '../support/person.ts';
import { METADATA, manage, register } from '../support/registration.ts';
import { countRows, unchanged } from '../support/storage.ts';

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
    assert.match(line(client.client_id), /operator +- +client_secret_basic +- +1 +\S+Z +\d{4}-\S+Z$/);
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

  it('verifies who publishes a client, which people are told at once, and takes it back', async () => {
    const [client, person] = await Promise.all([server.createClient({ client_name: 'Bell' }), server.createPerson()]);
    const browser = new Person(server.issuer);
    const path = authorizePath(client, { ...pkce(), code_verifier: undefined, prompt: 'consent' });
    await (await browser.open(path)).submit(person);
    const known = async () => /<ul class="known small">(.*?)<\/ul>/s.exec((await browser.open(path)).html)?.[1] ?? '';
    assert.match(await known(), /Publisher not verified/);
    const refused = await unchanged(server, async () => command('verify', client.client_id, '--publisher', 'Bell & Sons'));
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /--yes/);

    const verified = command('verify', client.client_id, '--publisher', 'Bell & Sons', '--yes');
    assert.equal(verified.status, 0, verified.stderr);
    await eventually('it is told', async () => /Verified publisher<\/span> <bdi>Bell &amp; Sons<\/bdi>/.test(await known()));
    assert.match(command('list').stdout, /"Bell" +operator +"Bell & Sons" /);
    assert.equal(command('unverify', client.client_id, '--yes').status, 0);
    await eventually('it is taken back', async () => /Publisher not verified/.test(await known()));
  });

  it('verifies a client as it is: one that says something else of itself afterwards is not verified', async () => {
    const client = await register(server);
    const verified = () =>
      server.sql('select publisher, verified_at is not null as verified from client where id = $1', [client.client_id]);
    assert.equal(command('verify', client.client_id, '--publisher', 'Walk Inc.', '--yes').status, 0);
    const own = { client_id: client.client_id, ...METADATA };
    const kept = await manage(server, client, 'PUT', own);
    assert.equal(kept.status, 200);
    const { registration_access_token } = (await kept.json()) as { registration_access_token: string };
    assert.deepEqual(await verified(), [{ publisher: 'Walk Inc.', verified: true }]);
    const changed = await manage(server, { ...client, registration_access_token }, 'PUT', {
      ...own,
      client_name: 'Your Bank',
      publisher: 'Your Bank',
      verified_at: '2026-01-01T00:00:00Z',
    });
    assert.equal(changed.status, 200);
    assert.deepEqual(await verified(), [{ publisher: null, verified: false }]);
    const claimed = await register(server, { publisher: 'Your Bank', registered_at: 1 });
    assert.deepEqual(await server.sql('select publisher from client where id = $1', [claimed.client_id]), [{ publisher: null }]);
    assert.equal(await countRows(server, `client where metadata ?| array['publisher', 'verified_at', 'registered_at']`), 0);
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
        ['verify', 'nobody', '--publisher', 'Moon', '--yes'],
        ['unverify', 'nobody', '--yes'],
        ['verify', client_id, '--yes'],
        ['verify', client_id, '--publisher', ' ', '--yes'],
        ['verify', client_id, '--publisher', 'Moon\u202e', '--yes'],
        ['verify', client_id, '--publisher', 'x'.repeat(101), '--yes'],
        ['unverify', client_id, '--publisher', 'Moon', '--yes'],
        ['suspend', client_id, '--publisher', 'Moon', '--yes'],
        ['suspend'],
        [],
      ])
        assert.equal(command(...args).status, 1, args.join(' '));
    });
    assert.equal(command('--help').status, 0);
  });
});
