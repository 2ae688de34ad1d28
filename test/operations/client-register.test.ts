import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { exportJWK, generateKeyPair } from 'jose';
import { digestInHex } from '../../src/platform/secrets.ts';
import { runCommand } from '../support/command.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { clientCredentials, createResourceServerClient, introspect, obtainTokens, post, type TestClient } from '../support/flow.ts';
import { askToRegister, register } from '../support/registration.ts';
import { countRows, dumpTables, unchanged } from '../support/storage.ts';

const URI = 'https://bell.example/cb';

describe('munjigi clients create, describe and delete', () => {
  let server: TestServer;
  const folder = mkdtempSync(join(tmpdir(), 'munjigi-client-'));
  before(async () => {
    server = await startTestServer();
  });
  after(async () => {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const command = (...args: string[]) => runCommand(server, 'clients', ...args);
  const create = (...args: string[]) => {
    const { status, stdout, stderr } = command('create', '--name', 'Bell', ...args);
    assert.equal(status, 0, stderr);
    const found = (label: string) => new RegExp(`^${label} +(\\S+)$`, 'm').exec(stdout)?.[1];
    return { client_id: String(found('client_id')), client_secret: found('client_secret'), redirect_uri: URI };
  };
  const metadataOf = async (id: string) =>
    (await server.sql('select metadata from client where id = $1', [id]))[0]?.['metadata'] as Record<string, unknown>;

  it('makes a client that an operator vouches for, whose secret is shown once and kept by its digest', async () => {
    const made = create('--redirect-uri', URI, '--grant-type', 'authorization_code', '--grant-type', 'client_credentials');
    const client = made as TestClient;
    const { access_token } = await obtainTokens(server, client, await server.createPerson());
    assert.equal((await introspect(server, client, access_token))['active'], true);
    const own = await clientCredentials(server, client, 'api');
    assert.equal((await introspect(server, client, own.access_token))['scope'], 'api', 'a vouched client has scopes of its own');

    const [row] = await server.sql('select registration::text, introspects, services, origins from client where id = $1', [
      client.client_id,
    ]);
    assert.deepEqual(row, { registration: 'operator', introspects: null, services: [], origins: [] });
    const metadata = await metadataOf(client.client_id);
    assert.equal(metadata['client_name'], 'Bell');
    assert(!('client_secret' in metadata) && !('dynamically_registered' in metadata));
    const dump = JSON.stringify(await dumpTables(server));
    assert(!dump.includes(String(client.client_secret)), 'the secret is nowhere');
    assert(dump.includes(digestInHex(String(client.client_secret))));
    const events = `audit_event where type = 'client_made' and client_id = $1 and request_id = 'operator'`;
    assert.equal(await countRows(server, events, [client.client_id]), 1);
  });

  it('requires PKCE of a client where it is asked to, and of a public one anyway', async () => {
    const made = create('--redirect-uri', URI, '--require-pkce');
    assert.equal((await metadataOf(made.client_id))['require_pkce'], true);
    assert.match(command('describe', '--', made.client_id).stdout, /^require_pkce +true$/m);
    assert.equal((await metadataOf(create('--redirect-uri', URI).client_id))['require_pkce'], undefined);
    const refused = command('suspend', made.client_id, '--require-pkce', '--yes');
    assert.deepEqual([refused.status, /Unknown option '--require-pkce'/.test(refused.stderr)], [2, true]);
  });

  it('makes clients without a secret: by a key from a file, and public ones on devices', async () => {
    const { publicKey } = await generateKeyPair('ES256');
    const file = join(folder, 'jwks.json');
    const jwks = { keys: [await exportJWK(publicKey)] };
    writeFileSync(file, JSON.stringify(jwks));
    const keyed = create('--auth', 'private_key_jwt', '--jwks-file', file, '--grant-type', 'client_credentials');
    assert.equal(keyed.client_secret, undefined);
    const metadata = await metadataOf(keyed.client_id);
    assert.deepEqual([metadata['jwks'], metadata['response_types'], metadata['redirect_uris']], [jwks, [], []]);
    const bank = create('--auth', 'private_key_jwt', '--jwks-file', file, '--redirect-uri', URI, '--fapi');
    assert.equal((await metadataOf(bank.client_id))['dpop_bound_access_tokens'], true);
    assert.equal((await metadataOf(bank.client_id))['fapi_profile'], '2.0');
    const app = create('--auth', 'none', '--redirect-uri', 'com.example.bell:/cb');
    assert.equal(app.client_secret, undefined);
    assert.equal((await metadataOf(app.client_id))['application_type'], 'native', 'as registration takes it to be');
    const said = create('--auth', 'none', '--native', '--redirect-uri', URI);
    assert.equal((await metadataOf(said.client_id))['application_type'], 'native');
    assert.equal(await countRows(server, 'client_secret where client_id = any($1)', [[keyed, app, said].map((c) => c.client_id)]), 0);
  });

  it('makes a client whose refresh tokens stay, or whose repeated refresh is answered for longer', async () => {
    const made = create('--redirect-uri', URI, '--refresh-grace', '30', '--no-refresh-rotation');
    const metadata = await metadataOf(made.client_id);
    assert.deepEqual([metadata['refresh_token_grace'], metadata['refresh_token_rotation']], [30, false]);
  });

  it('makes a client that introspects for a resource server, and no other tokens', async () => {
    const api = create('--introspects', server.issuer) as TestClient;
    const client = await server.createClient();
    const { access_token } = await clientCredentials(server, client, 'api');
    assert.equal((await introspect(server, api, access_token))['active'], true);
    const posts = create('--introspects', `${server.issuer}/api/posts`) as TestClient;
    assert.deepEqual(await introspect(server, posts, access_token), { active: false });
  });

  it('refuses what registration refuses, in the same sentences', async () => {
    const refused = async (args: string[], metadata: Record<string, unknown>) => {
      const answer = await askToRegister(server, { client_name: 'Bell', ...metadata });
      const { error, error_description } = (await answer.json()) as Record<string, string>;
      assert.match(String(error), /^invalid_/, JSON.stringify(args));
      const { status, stdout, stderr } = await unchanged(server, async () => command('create', '--name', 'Bell', ...args));
      assert.deepEqual([status, stdout], [1, '']);
      assert.equal(stderr.trim(), `munjigi clients create: ${error_description}`);
    };
    for (const uri of [
      'http://bell.example/cb',
      'https://bell.example/*',
      'https://b.example/#x',
      'JavaScript:alert(1)',
      'https://u@b.example/',
    ])
      await refused(['--redirect-uri', uri], { redirect_uris: [uri] });
    await refused(['--redirect-uri', 'ms-bell:/cb', '--native'], { redirect_uris: ['ms-bell:/cb'], application_type: 'native' });
    for (const grace of ['61', '-1', 'long', ''])
      await refused([`--refresh-grace=${grace}`, '--redirect-uri', URI], { redirect_uris: [URI], refresh_token_grace: grace || 'none' });
    await refused(['--redirect-uri', URI, '--auth', 'none', '--no-refresh-rotation'], {
      redirect_uris: [URI],
      token_endpoint_auth_method: 'none',
      refresh_token_rotation: false,
    });
    await refused(['--redirect-uri', URI, '--grant-type', 'password'], { redirect_uris: [URI], grant_types: ['password'] });
    await refused(['--redirect-uri', URI, '--auth', 'client_secret_jwt'], {
      redirect_uris: [URI],
      token_endpoint_auth_method: 'client_secret_jwt',
    });
    await refused(['--redirect-uri', URI, '--auth', 'private_key_jwt'], {
      redirect_uris: [URI],
      token_endpoint_auth_method: 'private_key_jwt',
    });
    const keys = { redirect_uris: [URI], token_endpoint_auth_method: 'private_key_jwt', jwks_uri: 'ftp://bell.example/jwks' };
    await refused(['--redirect-uri', URI, '--auth', 'private_key_jwt', '--jwks-uri', 'ftp://bell.example/jwks'], keys);
    await refused(['--name', 'Bell\u202e', '--redirect-uri', URI], { client_name: 'Bell\u202e', redirect_uris: [URI] });
    await refused(['--name', 'x'.repeat(101), '--redirect-uri', URI], { client_name: 'x'.repeat(101), redirect_uris: [URI] });
  });

  it('takes http on a private network with a warning, and no public host', async () => {
    const plain = (uri: string) => command('create', '--name', 'Bell', '--redirect-uri', uri);
    for (const uri of ['http://grafana.lan:3000/login', 'http://[fd12::1]/cb']) {
      const { status, stdout, stderr } = plain(uri);
      assert.deepEqual([status, stderr.includes(`Warning: ${uri} is not encrypted.`)], [0, true], stderr);
      const id = String(/^client_id +(\S+)$/m.exec(stdout)?.[1]);
      assert.deepEqual((await metadataOf(id))['redirect_uris'], [uri]);
    }
    for (const uri of ['http://grafana.example/login', 'http://169.254.169.254/cb'])
      assert.equal((await unchanged(server, async () => plain(uri))).status, 1, uri);
  });

  it('leaves a grant out that there is not, and says so', () => {
    const { status, stderr } = command(
      'create',
      '--name',
      'Bell',
      '--redirect-uri',
      URI,
      ...['authorization_code', 'password'].flatMap((grant) => ['--grant-type', grant]),
    );
    assert.equal(status, 0, stderr);
    assert.match(stderr, /Left out: this server has no grant "password"/);
  });

  it('makes nothing of an order that makes no sense', async () => {
    const broken = join(folder, 'broken.json');
    writeFileSync(broken, '{');
    await unchanged(server, async () => {
      for (const [code, ...args] of [
        [2, '--redirect-uri', URI],
        [2, '--name', ' ', '--redirect-uri', URI],
        [2, '--name', 'Bell'],
        [1, '--name', 'Bell', '--introspects', 'https://elsewhere.example'],
        [2, '--name', 'Bell', '--introspects', server.issuer, '--auth', 'none'],
        [1, '--name', 'Bell', '--auth', 'private_key_jwt', '--redirect-uri', URI, '--jwks-file', broken],
        [1, '--name', 'Bell', '--auth', 'private_key_jwt', '--redirect-uri', URI, '--jwks-file', join(folder, 'none.json')],
        [2, '--name', 'Bell', '--redirect-uri', URI, '--publisher', 'Bell'],
        [2, '--name', 'Bell', '--redirect-uri', URI, '--services', 'far'],
        [2, 'bell', '--name', 'Bell', '--redirect-uri', URI],
      ] as [number, ...string[]][]) {
        const { status, stdout } = command('create', ...args);
        assert.deepEqual([status, stdout], [code, ''], args.join(' '));
      }
      assert.equal(command('suspend', 'nobody', '--yes', '--name', 'Bell').status, 2);
      assert.equal(command('list', '--redirect-uri', URI).status, 2);
    });
  });

  it('shows all that is kept of a client, and of its secrets nothing that is of use', async () => {
    const client = await register(server, { client_name: 'Walk', client_uri: 'https://walk.example/' });
    await obtainTokens(server, client, await server.createPerson());
    // An id of the library's may begin with a dash.
    assert.equal(command('new-secret', '--expire-old-in', '2', '--', client.client_id).status, 0);
    const { status, stdout, stderr } = command('describe', '--', client.client_id);
    assert.equal(status, 0, stderr);
    for (const line of [/^registered by +dynamic$/m, /^people +1$/m, /^client_name +"Walk"$/m, /^client_uri +"https:\/\/walk.example\/"$/m])
      assert.match(stdout, line);
    assert.match(stdout, /^secrets +made \S+Z, ends \S+Z\n +made \S+Z, does not end$/m);
    const digest = digestInHex(client.client_secret);
    for (const part of [client.client_secret, client.registration_access_token, digest.slice(0, 8)]) assert(!stdout.includes(part));
    const hostile = await server.createClient({ client_name: 'Bell \u001b[31m\u009b2J\u202e' });
    assert.doesNotMatch(
      command('describe', hostile.client_id).stdout.replaceAll('\n', ''),
      /\p{C}/u,
      'a name must not speak to the terminal',
    );
    const unknown = await unchanged(server, async () => command('describe', 'nobody'));
    assert.deepEqual([unknown.status, unknown.stdout], [1, '']);
    assert.match(unknown.stderr, /there is no client nobody/);
  });

  it('deletes: asks first, tells how many people lose access, and leaves nothing of the client', async () => {
    const [client, witness] = [await server.createClient({ client_name: 'Gone' }), await server.createClient()];
    const [person, api] = [await server.createPerson(), await createResourceServerClient(server)];
    const { access_token } = await obtainTokens(server, client, person);
    assert.equal((await introspect(server, api, access_token))['active'], true);
    const theirs = await obtainTokens(server, witness, person);
    await obtainTokens(server, client, await server.createPerson());
    const asked = await unchanged(server, async () => command('delete', client.client_id));
    assert.equal(asked.status, 1);
    assert.match(asked.stderr, /--yes/);

    const { status, stdout, stderr } = command('delete', client.client_id, '--yes');
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^Done: clients delete .*\npeople +2$/m);
    for (const table of ['client where id', 'token where client_id', 'grant_record where client_id', 'client_secret where client_id'])
      assert.equal(await countRows(server, `${table} = $1`, [client.client_id]), 0, table);
    const [event] = await server.sql(`select detail, request_id from audit_event where type = 'client_deleted' and client_id = $1`, [
      client.client_id,
    ]);
    assert.deepEqual(event, { detail: { people: 2 }, request_id: 'operator' });
    await eventually(
      'it is unknown',
      async () => (await post(server, '/oauth/token', client, { grant_type: 'client_credentials' })).status === 401,
    );
    assert.deepEqual(await introspect(server, api, access_token), { active: false });
    assert.equal((await introspect(server, api, theirs.access_token))['active'], true, 'what others hold stays');
  });

  it("deletes neither an unknown client nor one of the server's own", async () => {
    await unchanged(server, async () => {
      for (const id of ['nobody', 'munjigi-account', 'munjigi-resource-api']) assert.equal(command('delete', id, '--yes').status, 1, id);
    });
  });
});
