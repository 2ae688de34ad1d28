import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { credentialsOf, findProvider } from '../../src/features/federation/providers.ts';
import { KeyRing } from '../../src/platform/secrets.ts';
import { eventsOf, openAccount } from '../support/account.ts';
import { runCommand, runCommandAside } from '../support/command.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { knownScopes } from '../support/known-scopes.ts';
import { createReaching, link } from '../support/linked.ts';
import { countRows, unchanged } from '../support/storage.ts';
import { startUpstream, type TestUpstream, UPSTREAM_CLIENT } from '../support/upstream.ts';

const NOTES = 'notes.read=notes.read; 메모 읽기; Read notes';

describe('munjigi providers', () => {
  let server: TestServer;
  let upstream: TestUpstream;
  let folder: string;
  before(async () => {
    [server, upstream] = await Promise.all([startTestServer(), startUpstream()]);
    folder = mkdtempSync(join(tmpdir(), 'provider-'));
    writeFileSync(join(folder, 'secret'), `${UPSTREAM_CLIENT.secret}\n`);
  });
  after(async () => {
    rmSync(folder, { recursive: true });
    await Promise.all([server.close(), upstream.close()]);
  });

  const command = (...args: string[]) => runCommand(server, 'providers', ...args);
  const file = (name: string, content: unknown) => {
    const path = join(folder, name);
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
    return path;
  };
  const addFar = (...more: string[]) =>
    command(
      ...['add', 'far', '--issuer', upstream.issuer, '--client-id', UPSTREAM_CLIENT.id, '--secret-file', join(folder, 'secret')],
      ...['--private-network', '--name', 'Far away', ...more],
    );
  const supported = () => knownScopes(server, ['far:notes.read', 'far:notes.write', 'far:mail']);

  it('adds a provider that people and apps find on every node at once, and says what to register there', async () => {
    const added = addFar('--service', NOTES, '--service', 'notes.write=notes.read notes.write;메모 쓰기;Write notes');
    assert.equal(added.status, 0, added.stderr);
    assert(added.stdout.includes(`${server.issuer}/upstream/far/callback`), added.stdout);
    await eventually('its services are scopes', async () => (await supported()).includes('far:notes.write'));
    const page = await openAccount(server, await server.createPerson(), '/account/links');
    assert.match(page.html, /Link Far away/);
    const kept = await findProvider(server.database, 'far');
    assert.deepEqual(kept?.services, [
      { name: 'notes.read', upstreamScopes: ['notes.read'], sensitive: true, title: { ko: '메모 읽기', en: 'Read notes' } },
      {
        name: 'notes.write',
        upstreamScopes: ['notes.read', 'notes.write'],
        sensitive: true,
        title: { ko: '메모 쓰기', en: 'Write notes' },
      },
    ]);
    assert.deepEqual(kept?.settings.scopes, ['openid', 'email', 'profile']);
    assert.equal(kept && credentialsOf(new KeyRing(server.config.dataEncryptionKeys), kept), UPSTREAM_CLIENT.secret);
    const { stdout } = command('list');
    assert.match(stdout, new RegExp(`^far +"Far away" +${upstream.issuer} +yes +0 +-$`, 'm'));
    assert.match(stdout, /^far:notes\.write +notes\.read notes\.write +메모 쓰기 +Write notes$/m);
    assert(!stdout.includes(UPSTREAM_CLIENT.secret));
  });

  it('changes settings when that is confirmed; what is not said stays: secret, name and services', async () => {
    const change = ['add', 'far', '--issuer', upstream.issuer, '--client-id', 'other', '--private-network', '--no-sign-in'];
    const asked = await unchanged(server, async () => command(...change));
    assert.equal(asked.status, 1);
    assert.match(asked.stderr, /--yes/);
    assert.equal(command(...change, '--yes').status, 0);
    const kept = await findProvider(server.database, 'far');
    assert.deepEqual([kept?.name, kept?.settings.clientId, kept?.settings.signIn, kept?.services.length], ['Far away', 'other', false, 2]);
    assert.equal(kept && credentialsOf(new KeyRing(server.config.dataEncryptionKeys), kept), UPSTREAM_CLIENT.secret);
    assert.equal(addFar('--yes').status, 0);
  });

  it('gives services, one by one or in a file, and takes them away', async () => {
    const services = [{ name: 'mail', upstreamScopes: ['mail.read'], title: { ko: '메일 읽기', en: 'Read mail' }, sensitive: false }];
    assert.equal(command('services', 'far', '--services', file('services.json', services)).status, 0);
    await eventually(
      'they are scopes',
      async () => (await supported()).includes('far:mail') && !(await supported()).includes('far:notes.read'),
    );
    assert.equal(command('services', 'far', '--none').status, 0);
    await eventually('they are none', async () => !(await supported()).some((scope) => scope.startsWith('far:')));
    const given = command('services', 'far', '--service', NOTES);
    assert.match(given.stdout, /far:notes\.read[\s\S]*allow-services CLIENT_ID --services far/);
  });

  it('disables and enables: links stay, and nobody is sent there meanwhile', async () => {
    const refused = await unchanged(server, async () => command('disable', 'far'));
    assert.equal(refused.status, 1);
    assert.equal(command('disable', 'far', '--yes').status, 0);
    assert.match(command('list').stdout, /^far .* \d{4}-\S+Z$/m);
    await eventually('its services are none', async () => !(await supported()).includes('far:notes.read'));
    assert.doesNotMatch((await openAccount(server, await server.createPerson(), '/account/links')).html, /Link Far away/);
    assert.equal(command('services', 'far', '--service', NOTES).status, 0, 'it is set up while it is disabled');
    assert.equal(await findProvider(server.database, 'far'), undefined, 'and stays so');
    assert.equal(command('enable', 'far').status, 0);
    await eventually('they are back', async () => (await supported()).includes('far:notes.read'));
  });

  it('makes a key for a provider that knows us by one, and shows and serves the public half', async () => {
    const by = ['--issuer', upstream.issuer, '--client-id', 'munjigi', '--private-network', '--auth', 'private_key_jwt'];
    const added = command('add', 'by-key', ...by);
    assert.equal(added.status, 0, added.stderr);
    const served = async () =>
      (await fetch(`${server.issuer}/upstream/by-key/jwks`)).json() as Promise<{ keys: Record<string, unknown>[] }>;
    const shown = (text: string) => JSON.parse(/\{[\s\S]*?\n\}/.exec(text)?.[0] ?? '');
    const first = await served();
    assert.deepEqual(first.keys, [shown(added.stdout)]);
    assert.deepEqual(Object.keys(first.keys[0] ?? {}).toSorted(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
    assert(added.stdout.includes(`${server.issuer}/upstream/by-key/jwks`));
    assert.equal((await unchanged(server, async () => command('new-key', 'by-key'))).status, 1, 'it asks first');
    const made = command('new-key', 'by-key', '--yes');
    assert.deepEqual((await served()).keys, [shown(made.stdout)]);
    assert.notEqual(first.keys[0]?.['kid'], (await served()).keys[0]?.['kid']);
    assert.equal(command('new-key', 'far', '--yes').status, 1);
    assert.equal((await fetch(`${server.issuer}/upstream/far/jwks`)).status, 404);
    assert.equal(command('remove', 'by-key', '--yes').status, 0);
  });

  it('keeps linked people at the provider that they linked, and removes it with every link when that is confirmed', async () => {
    const { person } = await createReaching(server, upstream);
    const { tokens } = await link(server, upstream, { accountId: person.id, scopes: [] });
    await server.sql('update user_account set password_hash = null where id = $1', [person.id]);
    const moved = await unchanged(server, async () =>
      command('add', 'far', '--issuer', 'https://elsewhere.example', '--client-id', 'munjigi', '--yes'),
    );
    assert.equal(moved.status, 1);
    assert.match(moved.stderr, /another id/);
    assert.match(command('list').stdout, /^far .* 1 +-$/m);
    assert.equal((await unchanged(server, async () => command('remove', 'far'))).status, 1);
    const removed = await runCommandAside(server, 'providers', 'remove', 'far', '--yes');
    assert.equal(removed.status, 0, removed.stderr);
    assert.match(removed.stdout, /1 link to it has ended, of whom 1 cannot sign in without it/);
    for (const token of [tokens.accessToken, String(tokens.refreshToken)]) assert(!upstream.isAlive(token), 'the provider was told');
    for (const table of ['provider', 'service', 'identity', 'token', 'revocation'])
      assert.equal(await countRows(server, `upstream_${table}`), 0, table);
    assert.equal((await eventsOf(server, person.id))[0], 'identity_unlinked');
  });

  it('does not remove a provider that cannot be told of what it gave, unless nobody wants to wait', async () => {
    assert.equal(addFar().status, 0);
    const person = await server.createPerson();
    await link(server, upstream, { accountId: person.id, scopes: [] });
    upstream.wishes = { revocation: { status: 503, body: '' } };
    const kept = await runCommandAside(server, 'providers', 'remove', 'far', '--yes');
    assert.equal(kept.status, 1);
    assert.match(kept.stdout, /has still to be told of 1\. It is disabled/);
    assert.deepEqual([await countRows(server, 'upstream_identity'), await countRows(server, 'upstream_revocation')], [0, 1]);
    assert.match(command('list').stdout, /^far .* 0 +\d{4}-\S+Z$/m);
    assert.equal(command('remove', 'far', '--now', '--yes').status, 0);
    assert.deepEqual([await countRows(server, 'upstream_provider'), await countRows(server, 'upstream_revocation')], [0, 0]);
  });
});
