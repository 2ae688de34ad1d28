import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseArgs } from 'node:util';
import { ADD_FLAGS, providerFrom, servicesFrom } from '../../src/features/federation/commands/settings.ts';
import { inspect } from '../../src/features/federation/inspection.ts';
import { findProvider } from '../../src/features/federation/providers.ts';
import { KeyRing } from '../../src/platform/secrets.ts';
import { runCommand } from '../support/command.ts';
import { freePort, startTestServer, type TestServer } from '../support/environment.ts';
import { unchanged } from '../support/storage.ts';
import { addProvider, startUpstream, type TestUpstream } from '../support/upstream.ts';

describe('munjigi providers, when something is not right', () => {
  let server: TestServer;
  let upstream: TestUpstream;
  let plain: TestUpstream;
  let folder: string;
  before(async () => {
    [server, upstream, plain] = await Promise.all([startTestServer(), startUpstream(), startUpstream('oauth2')]);
    folder = mkdtempSync(join(tmpdir(), 'provider-'));
    await addProvider(server, upstream, { id: 'far', services: ['notes.read'] });
    await addProvider(server, plain, { id: 'plain' });
  });
  after(async () => {
    rmSync(folder, { recursive: true });
    await Promise.all([server.close(), upstream.close(), plain.close()]);
  });

  const command = (...args: string[]) => runCommand(server, 'providers', ...args);
  const file = (name: string, content: unknown) => {
    const path = join(folder, name);
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
    return path;
  };
  /** What a check finds: asked for here, since the provider is in this process, which a command would keep from answering. */
  async function findings(id = 'far'): Promise<string[]> {
    const provider = await findProvider(server.database, id);
    assert(provider);
    const found = await inspect(new KeyRing(server.config.dataEncryptionKeys), provider, `${server.issuer}/upstream/${id}/callback`);
    return found.map(({ kind, says }) => `${kind} ${says}`);
  }
  const wrong = async (id?: string) => (await findings(id)).filter((line) => line.startsWith('wrong'));

  it('check says what was found: endpoints, keys, what is not promised, and that the provider knows us', async () => {
    upstream.wishes = {};
    const found = (await findings()).join('\n');
    for (const line of [
      `ok it is ${upstream.issuer}`,
      `ok authorization at ${upstream.issuer}/authorize`,
      `ok revocation at ${upstream.issuer}/revoke`,
      'ok it takes client_secret_basic',
      `ok 1 key at ${upstream.issuer}/jwks`,
      'ok its answers name it',
      'ok it knows us as munjigi',
    ])
      assert(found.includes(line), `${line}\n${found}`);
    assert.deepEqual(await wrong('plain'), []);
    assert.match((await findings('plain')).join('\n'), /ok it knows us as munjigi/);
  });

  it('check says what is wrong, and what would be right', async () => {
    const document = (change: Record<string, unknown>) => ({
      body: JSON.stringify({
        issuer: upstream.issuer,
        authorization_endpoint: `${upstream.issuer}/authorize`,
        token_endpoint: `${upstream.issuer}/token`,
        jwks_uri: `${upstream.issuer}/jwks`,
        ...change,
      }),
    });
    const cases: [TestUpstream['wishes'], RegExp][] = [
      [
        { discovery: document({ issuer: `${upstream.issuer}/` }) },
        new RegExp(`calls itself ${upstream.issuer}/: use --issuer ${upstream.issuer}/$`),
      ],
      [{ discovery: document({ token_endpoint: undefined }) }, /no token endpoint/],
      [
        { discovery: document({ token_endpoint_auth_methods_supported: ['client_secret_post', 'none'] }) },
        /use --auth with one of client_secret_post, none/,
      ],
      [{ discovery: document({ jwks_uri: undefined }) }, /no jwks_uri/],
      [{ discovery: { status: 404, body: '' } }, /answers 404: without discovery/],
      [{ discovery: { body: '<html>' } }, /has no JSON/],
      [{ discovery: { body: '[]' } }, /names no issuer/],
      [{ jwks: { body: '{"keys":[]}' } }, /there are no keys/],
      [
        { token: { status: 401, body: '{"error":"invalid_client"}' } },
        /does not let munjigi in \(invalid_client\): look at --client-id, --secret-file/,
      ],
      [{ token: { status: 503, body: 'later' } }, /token endpoint does not answer/],
      [{ token: { body: '{"access_token":"a","token_type":"bearer"}' } }, /gave a token for a code that is none/],
    ];
    for (const [wishes, expected] of cases) {
      upstream.wishes = wishes;
      const [found, ...more] = await unchanged(server, () => wrong());
      assert.match(String(found), expected);
      assert.deepEqual(more, []);
    }
    upstream.wishes = { discovery: document({ scopes_supported: ['openid'], code_challenge_methods_supported: ['plain'] }) };
    const notes = (await findings()).filter((line) => line.startsWith('note')).join('\n');
    for (const note of [/email, profile, notes\.read/, /PKCE/, /no userinfo/, /no revocation/, /RFC 9207/]) assert.match(notes, note);
    upstream.wishes = {};
  });

  it('check says why a provider cannot be reached, and exits as a command does', async () => {
    const nowhere = `http://localhost:${await freePort()}`;
    await addProvider(server, upstream, { id: 'nowhere', issuer: nowhere });
    assert.match(String(await wrong('nowhere')), /cannot be reached: .*ECONNREFUSED/);
    const { status, stdout } = command('check', 'nowhere');
    assert.equal(status, 1);
    assert.match(stdout, /^wrong +http:\/\/localhost:\d+\/\.well-known/);
    await addProvider(server, upstream, { id: 'nowhere', issuer: nowhere, privateNetwork: false });
    assert.match(String(await wrong('nowhere')), /is not https: that is for your own network, with --private-network/);
    await addProvider(server, upstream, { id: 'nowhere', issuer: 'https://localhost:8443', privateNetwork: false });
    assert.match(String(await wrong('nowhere')), /as an address of a private network is without --private-network/);
    await server.sql(`delete from upstream_provider where id = 'nowhere'`);
  });

  it('refuses a service whose scope an API of ours has already, and says whose', async () => {
    const post = ['--service', 'read=read; 읽기; Read'];
    const settings = ['--issuer', upstream.issuer, '--client-id', 'munjigi', '--auth', 'none', '--private-network'];
    const refused = await unchanged(server, async () => command('add', 'posts', ...settings, ...post));
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /posts:read is a scope of \S+\/api\/posts already/);
    await addProvider(server, upstream, { id: 'posts' });
    assert.equal((await unchanged(server, async () => command('services', 'posts', ...post))).status, 1);
    await server.sql(`delete from upstream_provider where id = 'posts'`);
  });

  it('does nothing for an order that makes no sense, and says what would', async () => {
    const issuer = ['--issuer', upstream.issuer, '--client-id', 'munjigi', '--private-network'];
    const empty = file('empty', '\n');
    const cases: [string[], RegExp][] = [
      [['add', 'Far', ...issuer], /small letters/],
      [['add', 'f', ...issuer], /small letters/],
      [['add', 'new', ...issuer], /say where the secret is with --secret-file/],
      [['add', 'new', ...issuer, '--secret-file', empty], /nothing in/],
      [['add', 'new', ...issuer, '--secret-file', join(folder, 'nowhere')], /ENOENT/],
      [['add', 'new', ...issuer, '--auth', 'none', '--secret-file', file('secret', 'x')], /told no secret/],
      [['add', 'new', ...issuer, '--auth', 'guess'], /clientAuthMethod/],
      [['add', 'new', ...issuer, '--auth', 'none', '--team-id', 'T'], /Apple/],
      [['add', 'new', ...issuer, '--auth', 'none', '--name', 'a\u202eb'], /--name/],
      [['add', 'new', ...issuer, '--auth', 'none', '--preset', 'toString'], /there is no preset toString: there are google/],
      [['add', 'new', '--client-id', 'x'], /needs an issuer or endpoints/],
      [['add', 'new', '--issuer', 'ftp://x', '--client-id', 'x'], /issuer must be an absolute URL/],
      [['add', 'new', ...issuer, '--settings', file('settings', '{')], /is not JSON/],
      [['add', 'new', ...issuer, '--settings', file('list', [])], /expected record/],
      [['add', 'new', '--preset', 'apple', '--client-id', 'x', '--secret-file', file('p8', 'x')], /--team-id and --key-id/],
      [
        ['add', 'new', '--preset', 'apple', '--client-id', 'x', '--team-id', 'T', '--key-id', 'K', '--secret-file', file('p8', 'x')],
        /as Apple gives it/,
      ],
      [['add', 'new', ...issuer, '--auth', 'private_key_jwt', '--secret-file', file('jwk', '{"kty":"EC"}')], /no private key as a JWK/],
      [['services', 'far'], /in one way/],
      [['services', 'far', '--none', '--service', 'a=b;c;d'], /in one way/],
      [['services', 'far', '--service', 'notes'], /is no service: write NAME=/],
      [['services', 'far', '--service', 'Notes=a;b;c'], /small letters/],
      [['services', 'far', '--service', 'a=;b;c'], /upstreamScopes/],
      [['services', 'far', '--service', 'a="x";b;c'], /RFC 6749/],
      [['services', 'far', '--service', 'a=b; ;c'], /sentence/],
      [['services', 'far', '--service', `a=b;${'x'.repeat(201)};c`], /sentence/],
      [['services', 'far', '--service', 'a=b;c;d', '--service', 'a=b;c;d'], /twice/],
      [['services', 'far', '--services', file('services', [{ name: 'a' }])], /upstreamScopes/],
    ];
    for (const [args, expected] of cases) {
      const { values, positionals } = parseArgs({ args, options: ADD_FLAGS, allowPositionals: true });
      const [order, id = ''] = positionals;
      const read = () => (order === 'add' ? providerFrom(id, values, undefined) : servicesFrom(values));
      assert.throws(read, { message: expected }, args.join(' '));
    }
    const twisted = await unchanged(server, async () => command('services', 'far', '--none', '--service', 'a=b;c;d'));
    assert.equal(twisted.status, 2);
    assert.match(twisted.stderr, /^munjigi providers services: say the services in one way[\s\S]*Usage: munjigi providers services ID/);
    for (const args of [[], ['list', 'far'], ['add'], ['toString', 'far']]) {
      const { status, stderr } = command(...args);
      assert.equal(status, 2);
      assert.match(stderr, /^munjigi providers[\s\S]*Usage: munjigi providers/);
    }
    await unchanged(server, async () => {
      for (const args of [['services', '--none'], ['check'], ['new-key', '--yes'], ['disable', '--yes'], ['enable'], ['remove', '--yes']])
        assert.match(command(String(args[0]), 'nobody', ...args.slice(1)).stderr, /there is no provider nobody/, args[0]);
    });
  });

  it('tells its help, and the presets with what to register at each', () => {
    assert.equal(command('--help').status, 0);
    assert.match(command('presets').stdout, new RegExp(`^google +Google +${server.issuer}/upstream/google/callback$`, 'm'));
  });
});
