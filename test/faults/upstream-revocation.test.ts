import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { endIdentity } from '../../src/features/federation/identities.ts';
import { keepProvidersTold } from '../../src/features/federation/revocations.ts';
import { createLog } from '../../src/platform/log.ts';
import { KeyRing } from '../../src/platform/secrets.ts';
import { createDatabase, startTestServer, type TestDatabase, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { age, createReaching, exchange, link, refreshes } from '../support/linked.ts';
import { createHouse } from '../support/processes.ts';
import { addProvider, startUpstream, type TestUpstream } from '../support/upstream.ts';

describe('A provider is told when a link ends (RFC 7009)', () => {
  let stored: TestDatabase;
  let server: TestServer;
  let upstream: TestUpstream;
  let telling: { stop(): Promise<void> };
  let lines: string[] = [];
  before(async () => {
    stored = await createDatabase();
    [server, upstream] = await Promise.all([startTestServer({ databaseUrl: stored.url }, stored), startUpstream()]);
    await addProvider(server, upstream, { services: ['notes.read'] });
  });
  const begin = () => {
    const log = createLog('info', { write: (line: string) => void lines.push(line) });
    telling = keepProvidersTold({ database: server.database, keyRing: new KeyRing(server.config.dataEncryptionKeys), log, everyMs: 50 });
  };
  beforeEach(() => {
    lines = [];
    begin();
  });
  afterEach(async () => {
    await telling.stop();
    upstream.wishes = {};
    upstream.asked = [];
    await server.sql('delete from upstream_revocation');
  });
  after(async () => {
    await Promise.all([server.close(), upstream.close()]);
  });

  const unlink = (accountId: string, providerId = 'far') => server.database.change(endIdentity(accountId, providerId));
  const left = () => server.sql('select * from upstream_revocation');
  const told = async () => eventually('nothing is left to tell', async () => (await left()).length === 0);
  const dueNow = () => server.sql('update upstream_revocation set due_at = now()');
  const asked = () => upstream.asked.filter(({ path }) => path === '/revoke').map(({ parameters }) => parameters.get('token_type_hint'));

  /** A person with a link, and an app that has tokens of its own there. */
  async function linked() {
    const reaching = await createReaching(server, upstream);
    const { id: accountId } = reaching.person;
    const signIn = await link(server, upstream, { accountId, scopes: ['notes.read'] });
    const app = await link(server, upstream, { accountId, grantId: reaching.grantId, scopes: ['notes.read'] });
    const all = [signIn, app].flatMap(({ tokens }) => [tokens.accessToken, String(tokens.refreshToken)]);
    assert.ok(all.every((token) => upstream.isAlive(token)));
    return { ...reaching, all };
  }

  it('of all that it gave, the refresh token first', async () => {
    const { person, client, accessToken, all } = await linked();
    await unlink(person.id);
    await told();
    assert.ok(!all.some((token) => upstream.isAlive(token)));
    assert.deepEqual(asked().sort(), ['access_token', 'access_token', 'refresh_token', 'refresh_token']);
    assert.equal(asked()[0], 'refresh_token');
    assert.equal((await (await exchange(server, client, accessToken)).json()).error, 'interaction_required');
    assert.ok(!lines.some((line) => all.some((token) => line.includes(token))));
  });

  it('when the account here is deleted', async () => {
    const { person, all } = await linked();
    await server.sql('delete from user_account where id = $1', [person.id]);
    await told();
    assert.ok(!all.some((token) => upstream.isAlive(token)));
  });

  it('later when it is down, and each time later still', async () => {
    const { person, all } = await linked();
    await upstream.stop();
    try {
      await unlink(person.id);
      await eventually('both were tried', async () => (await left()).every(({ attempts }) => attempts === 1));
      const wait = async () =>
        (await server.sql('select extract(epoch from min(due_at) - now())::int as seconds from upstream_revocation'))[0]?.['seconds'];
      assert.ok(Number(await wait()) <= 10);
      await dueNow();
      await eventually('both were tried again', async () => (await left()).every(({ attempts }) => attempts === 2));
      assert.ok(Number(await wait()) > 10 && Number(await wait()) <= 20);
    } finally {
      await upstream.resume();
    }
    assert.ok(all.every((token) => upstream.isAlive(token)));
    await dueNow();
    await told();
    assert.ok(!all.some((token) => upstream.isAlive(token)));
  });

  it('for a day, and no longer', async () => {
    const { person } = await linked();
    upstream.wishes = { revocation: { status: 503, body: '' } };
    await unlink(person.id);
    await eventually('both were tried', async () => (await left()).every(({ attempts }) => attempts === 1));
    await server.sql(`update upstream_revocation set due_at = now(), expires_at = now() + interval '5 seconds'`);
    await told();
    assert.equal(lines.filter((line) => line.includes('upstream_revocation_given_up')).length, 2);
  });

  it('even when people do not sign in by it any more', async () => {
    const { person, all } = await linked();
    await server.sql(`update upstream_provider set disabled_at = now()`);
    try {
      await unlink(person.id);
      await told();
      assert.ok(!all.some((token) => upstream.isAlive(token)));
    } finally {
      await server.sql(`update upstream_provider set disabled_at = null`);
    }
  });

  it('not when it has no endpoint for that, nor when nobody knows it any more', async () => {
    const plain = await startUpstream('oauth2');
    try {
      const at = (path: string) => `${plain.issuer}${path}`;
      const endpoints = { authorization: at('/authorize'), token: at('/token'), userinfo: at('/userinfo') };
      for (const id of ['near', 'gone']) await addProvider(server, plain, { id, services: ['files.read'], endpoints });
      const person = await server.createPerson();
      for (const providerId of ['near', 'gone']) await link(server, plain, { accountId: person.id, providerId, scopes: ['files.read'] });
      await unlink(person.id, 'near');
      await server.sql(`delete from upstream_provider where id = 'gone'`);
      await told();
      assert.ok(!plain.asked.some(({ path }) => path === '/revoke'));
      assert.ok(!lines.some((line) => line.includes('upstream_revocation')));
    } finally {
      await plain.close();
    }
  });

  it('of what a refresh brought that was under way', async () => {
    const { person, client, accessToken } = await linked();
    await age(server, 3_600);
    await telling.stop();
    upstream.wishes = { slowMs: 300, slowAt: '/token' };
    const waiting = exchange(server, client, accessToken);
    await eventually('the provider is asked', () => refreshes(upstream) === 1);
    await unlink(person.id);
    assert.equal((await (await waiting).json()).error, 'interaction_required');
    assert.equal((await left()).length, 3);
    begin();
    await told();
    // The two that were there, and the one that came late.
    assert.equal(asked().length, 6);
  });

  it('by a server as it runs', async () => {
    const { person, all } = await linked();
    await telling.stop();
    const house = await createHouse(stored.url, server.config);
    try {
      await house.start();
      await unlink(person.id);
      await told();
      assert.ok(!all.some((token) => upstream.isAlive(token)));
    } finally {
      await house.close();
    }
  });
});
