import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { OWN_CLIENTS } from '../../src/oauth/clients/first-party.ts';
import { TOKEN_EXCHANGE_GRANT } from '../../src/oauth/clients/store.ts';
import { runCommand } from '../support/command.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { authorizePath, callApi, clientCredentials, introspect, obtainTokens, pkce, post, type TestClient } from '../support/flow.ts';
import { Person } from '../support/person.ts';
import { askToRegister, METADATA, manage, register } from '../support/registration.ts';
import { countRows, unchanged } from '../support/storage.ts';
import { addProvider, startUpstream } from '../support/upstream.ts';

describe('munjigi clients', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  const command = (...args: string[]) => runCommand(server, 'clients', ...args);
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
    assert.match(suspended.stdout, /^Done: clients suspend .*\nended +1$/m);
    await eventually('it is refused', async () => (await status(client)) === 401);
    const { stdout } = command('list');
    const line = (id: string) => stdout.split('\n').find((text) => text.startsWith(id)) ?? '';
    assert.match(line(client.client_id), /operator +client_secret_basic +no +- .* 1 +- +\S+Z +\S+Z +\d{4}-\S+Z$/);
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

  it("leaves this server's own clients as they are, their secrets too: its API goes on hearing of tokens", async () => {
    for (const own of OWN_CLIENTS)
      for (const act of [
        ['suspend'],
        ['restore'],
        ['delete'],
        ['new-secret'],
        ['new-secret', '--expire-old-in', '0'],
        ['verify', '--publisher', 'Bell'],
        ['unverify'],
        ['require-pkce'],
        ['waive-pkce'],
        ['allow-services', '--services', ''],
        ['allow-admin-scopes', '--scopes', ''],
      ]) {
        const [name = '', ...more] = act;
        const {
          status: exit,
          stderr,
          stdout,
        } = await unchanged(server, async () => command(name, own, ...more, ...(name === 'restore' ? [] : ['--yes'])));
        assert.equal(exit, 1, `${name} ${own}`);
        assert.equal(stderr, `munjigi clients ${name}: client ${own} is this server's own, and stays as it is\n`, name);
        assert.equal(stdout, '');
      }
    const { access_token } = await obtainTokens(server, await server.createClient(), await server.createPerson(), {
      scope: 'openid profile',
    });
    assert.equal((await callApi(server, '/api/me', access_token)).status, 200);
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
    assert.match(command('list').stdout, / Bell +operator .* Bell & Sons /);
    assert.equal(command('unverify', client.client_id, '--yes').status, 0);
    await eventually('it is taken back', async () => /Publisher not verified/.test(await known()));
  });

  it('verifies a client as it is: one that says something else of itself afterwards is not verified', async () => {
    const client = await register(server);
    const verified = () =>
      server.sql('select publisher, verified_at is not null as verified from client where id = $1', [client.client_id]);
    // An id of the library's may begin with a dash.
    assert.equal(command('verify', '--publisher', 'Walk Inc.', '--yes', '--', client.client_id).status, 0);
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
    // Of a name of its own: for a second a node knows the verified name still.
    const claimed = await register(server, { client_name: 'Claimed', publisher: 'Your Bank', registered_at: 1 });
    assert.deepEqual(await server.sql('select publisher from client where id = $1', [claimed.client_id]), [{ publisher: null }]);
    assert.equal(await countRows(server, `client where metadata ?| array['publisher', 'verified_at', 'registered_at']`), 0);
  });

  it('lets a client act for people at providers, says so in the list, and takes it back', async () => {
    const upstream = await startUpstream();
    try {
      for (const id of ['far', 'near']) await addProvider(server, upstream, { id, services: ['notes.read'] });
      const client = await server.createClient({ grant_types: ['authorization_code', 'refresh_token'] });
      const kept = () =>
        server.sql(`select services, origins, metadata->'grant_types' as grants from client where id = $1`, [client.client_id]);
      const asks = (scope: string) => new Person(server.issuer).open(authorizePath(client, { ...pkce(), code_verifier: undefined, scope }));
      const refused = async () => (await asks('openid far:notes.read')).url.searchParams.get('error');
      await eventually('it may not ask', async () => (await refused()) === 'invalid_scope');

      const order = [
        'allow-services',
        client.client_id,
        '--services',
        'far, near,far',
        '--origins',
        'https://app.example,http://localhost:5173',
      ];
      const asked = await unchanged(server, async () => command(...order));
      assert.equal(asked.status, 1);
      assert.match(asked.stderr, /--yes/);
      const allowed = command(...order, '--yes');
      assert.equal(allowed.status, 0, allowed.stderr);
      const origins = ['https://app.example', 'http://localhost:5173'];
      assert.deepEqual(await kept(), [
        { services: ['far', 'near'], origins, grants: ['authorization_code', 'refresh_token', TOKEN_EXCHANGE_GRANT] },
      ]);
      assert.match(command('list').stdout, new RegExp(`^${client.client_id} .* far,near `, 'm'));
      await eventually('it may ask', async () => (await refused()) === null);

      assert.equal(command('allow-services', client.client_id, '--services', 'near', '--yes').status, 0);
      assert.deepEqual(await kept(), [
        { services: ['near'], origins: [], grants: ['authorization_code', 'refresh_token', TOKEN_EXCHANGE_GRANT] },
      ]);
      await eventually('it may not ask there', async () => (await refused()) === 'invalid_scope');
      assert.equal(command('allow-services', client.client_id, '--services', '', '--yes').status, 0);
      assert.deepEqual(await kept(), [{ services: [], origins: [], grants: ['authorization_code', 'refresh_token'] }]);
    } finally {
      await upstream.close();
    }
  });

  it('is alone to say so: a client that registers or updates itself cannot, and keeps what it was given', async () => {
    const members = { services: ['far'], origins: ['https://evil.example'] };
    const claimed = await register(server, members);
    const kept = (id: string) => server.sql('select services, origins from client where id = $1', [id]);
    assert.deepEqual(await kept(claimed.client_id), [{ services: [], origins: [] }]);
    assert.equal(await countRows(server, `client where metadata ?| array['services', 'origins']`), 0);
    const greedy = { ...METADATA, grant_types: [...METADATA.grant_types, TOKEN_EXCHANGE_GRANT] };
    const listed = await askToRegister(server, greedy);
    assert.deepEqual(
      ((await listed.json()) as { grant_types: string[] }).grant_types,
      METADATA.grant_types,
      'left out, and the answer says so',
    );
    const own = { client_id: claimed.client_id, ...greedy, ...members };
    const updated = (await (await manage(server, claimed, 'PUT', own)).json()) as {
      grant_types: string[];
      registration_access_token: string;
    };
    assert.deepEqual(updated.grant_types, METADATA.grant_types);
    claimed.registration_access_token = updated.registration_access_token;

    // An id of the library's may begin with a dash.
    assert.equal(command('allow-services', '--services', 'far', '--yes', '--', claimed.client_id).status, 0);
    const read = async () => (await manage(server, claimed, 'GET')).json() as Promise<{ grant_types: string[] }>;
    await eventually('it reads what it was given', async () => (await read()).grant_types.includes(TOKEN_EXCHANGE_GRANT));
    assert.equal((await manage(server, claimed, 'PUT', own)).status, 200);
    assert.deepEqual(await kept(claimed.client_id), [{ services: ['far'], origins: [] }], 'what it says of origins counts for nothing');
    assert.equal(await countRows(server, `client where metadata ?| array['services', 'origins']`), 0);
  });

  it('does nothing for a client that is unknown or has no secret, or for an order that makes no sense', async () => {
    const { client_id } = await server.createClient({ token_endpoint_auth_method: 'none' });
    await unchanged(server, async () => {
      const services = ['allow-services', client_id, '--services'];
      for (const [status, ...args] of [
        [1, 'new-secret', client_id],
        [1, 'new-secret', 'nobody'],
        [1, 'suspend', 'nobody', '--yes'],
        [1, 'restore', 'nobody'],
        [2, 'new-secret', client_id, '--expire-old-in', 'soon'],
        [1, 'verify', 'nobody', '--publisher', 'Moon', '--yes'],
        [1, 'unverify', 'nobody', '--yes'],
        [2, 'verify', client_id, '--yes'],
        [1, 'verify', client_id, '--publisher', ' ', '--yes'],
        [1, 'verify', client_id, '--publisher', 'Moon\u202e', '--yes'],
        [1, 'verify', client_id, '--publisher', 'x'.repeat(101), '--yes'],
        [2, 'unverify', client_id, '--publisher', 'Moon', '--yes'],
        [2, 'suspend', client_id, '--publisher', 'Moon', '--yes'],
        [1, ...services, 'nowhere', '--yes'],
        [2, ...services, ' , ', '--yes'],
        [1, 'allow-services', 'nobody', '--services', 'far', '--yes'],
        ...['https://app.example/', 'https://app.example/x', 'http://app.example', 'null', '*', 'javascript:1'].map((origin) => [
          ...[1, ...services, 'far', '--origins', origin, '--yes'],
        ]),
        [1, 'allow-services', 'nobody', '--services', '', '--yes'],
        [2, 'verify', client_id, '--publisher', 'Moon', '--services', 'far', '--yes'],
        [2, 'suspend'],
        [2],
      ] as [number, ...string[]][])
        assert.equal(command(...args).status, status, args.join(' '));
    });
    assert.equal(command('--help').status, 0);
  });
});
