import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { age, createReaching, exchange, link, type Reaching, refreshes } from '../support/linked.ts';
import { addProvider, startUpstream, type TestUpstream } from '../support/upstream.ts';

describe('What a provider gave, when it expires and when the provider fails', () => {
  let server: TestServer;
  let upstream: TestUpstream;
  before(async () => {
    [server, upstream] = await Promise.all([startTestServer(), startUpstream()]);
    await addProvider(server, upstream, { services: ['notes.read'] });
  });
  afterEach(async () => {
    upstream.wishes = {};
    upstream.asked = [];
    // Each test is alone with its row.
    await server.sql('delete from upstream_token');
    await server.sql('delete from upstream_revocation');
  });
  after(async () => {
    await Promise.all([server.close(), upstream.close()]);
  });

  const tell = async ({ client, accessToken }: Reaching, parameters = {}, node = server) => {
    const response = await exchange(node, client, accessToken, parameters);
    return { status: response.status, retryAfter: response.headers.get('retry-after'), ...(await response.json()) };
  };
  const row = async () => (await server.sql('select * from upstream_token'))[0];

  for (const keeps of [false, true])
    it(`is refreshed once for 50 requests on two nodes, by a provider that ${keeps ? 'keeps' : 'rotates'} its refresh tokens`, async () => {
      const reaching = await createReaching(server, upstream);
      const before = await tell(reaching);
      await age(server, 3_600);
      upstream.wishes = { slowMs: 200, slowAt: '/token', keepsRefreshToken: keeps };
      const second = await server.secondNode();
      try {
        const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => tell(reaching, {}, n % 2 ? second : server)));
        assert.deepEqual(
          answers.map(({ status }) => status),
          answers.map(() => 200),
        );
        assert.equal(new Set(answers.map(({ access_token }) => access_token)).size, 1);
        assert.notEqual(answers[0]?.access_token, before.access_token);
        assert.ok(upstream.isAlive(answers[0]?.access_token));
        assert.equal(refreshes(upstream), 1);
      } finally {
        await second.close();
      }
      // What came is good for the next time too.
      await age(server, 3_600);
      assert.equal((await tell(reaching)).status, 200);
      assert.equal(refreshes(upstream), 2);
    });

  it('is refreshed a minute before it expires, and a short-lived one a quarter of its life before', async () => {
    const reaching = await createReaching(server, upstream);
    await age(server, 3_600 - 90);
    await tell(reaching);
    assert.equal(refreshes(upstream), 0);
    await age(server, 45);
    await tell(reaching);
    assert.equal(refreshes(upstream), 1);
    upstream.wishes = { expiresIn: 40 };
    await age(server, 3_600);
    await tell(reaching);
    await tell(reaching);
    assert.equal(refreshes(upstream), 2);
  });

  it('is served while the provider is down, for as long as it is valid', async () => {
    const reaching = await createReaching(server, upstream);
    const { access_token } = await tell(reaching);
    await age(server, 3_600 - 30);
    await upstream.stop();
    try {
      const kept = await tell(reaching);
      assert.deepEqual([kept.status, kept.access_token], [200, access_token]);
      assert.ok(kept.expires_in <= 30);
      await age(server, 60);
      const down = await tell(reaching);
      assert.deepEqual([down.status, down.error, down.retryAfter], [503, 'temporarily_unavailable', '5']);
      assert.equal((await row())?.['ended_at'], null);
    } finally {
      await upstream.resume();
    }
    await age(server, 10);
    assert.equal((await tell(reaching)).status, 200);
  });

  it('keeps nobody waiting for a provider that dawdles', async () => {
    const reaching = await createReaching(server, upstream);
    await age(server, 3_600);
    upstream.wishes = { slowMs: 20_000, slowAt: '/token' };
    const begun = performance.now();
    const answers = await Promise.all([1, 2, 3].map(() => tell(reaching)));
    // Far less than the provider takes, however slow this machine is.
    assert.ok(performance.now() - begun < 15_000);
    assert.deepEqual(
      answers.map(({ status }) => status),
      [503, 503, 503],
    );
    assert.equal(refreshes(upstream), 1);
  });

  for (const [what, token] of [
    ['is broken', { status: 500, type: 'text/plain', body: 'oops' }],
    ['wants to be asked less', { status: 429, body: '{"error":"slow_down"}' }],
    ['says that the client is wrong', { status: 401, body: '{"error":"invalid_client"}' }],
    ['answers with something else than JSON', { type: 'text/html', body: '<p>hello' }],
    ['answers with no end', { body: `{"access_token":"${'x'.repeat(2_000_000)}"}` }],
    ['gives a token that cannot be kept', { body: '{"access_token":"a\\u0000b","token_type":"Bearer"}' }],
  ] as const)
    it(`does not end because the provider ${what}`, async () => {
      const reaching = await createReaching(server, upstream);
      const before = await row();
      await age(server, 3_600);
      upstream.wishes = { token };
      assert.equal((await tell(reaching)).status, 503);
      const { access_token, refresh_token, ended_at } = (await row()) ?? {};
      assert.deepEqual([access_token, refresh_token, ended_at], [before?.['access_token'], before?.['refresh_token'], null]);
      upstream.wishes = {};
      await age(server, 10);
      assert.equal((await tell(reaching)).status, 200);
    });

  it('ends when the provider gives nothing for it any more, until the person comes back from there', async () => {
    const reaching = await createReaching(server, upstream);
    await age(server, 3_600);
    upstream.revokeAll();
    const [first, again] = [await tell(reaching), await tell(reaching)];
    for (const answer of [first, again]) {
      assert.deepEqual([answer.status, answer.error], [400, 'interaction_required']);
      assert.match(answer.interaction_uri, /\/account\/links\/far\/connect\?client_id=/);
    }
    assert.equal(refreshes(upstream), 1);
    await link(server, upstream, { accountId: reaching.person.id, scopes: ['notes.read'] });
    assert.equal((await tell(reaching)).status, 200);
  });

  it('is refreshed by somebody else when who was at it has died', async () => {
    const reaching = await createReaching(server, upstream);
    await age(server, 3_600);
    await server.sql(`update upstream_token set claimed_until = now() + interval '6 seconds'`);
    const waiting = await tell(reaching);
    assert.deepEqual([waiting.status, waiting.error], [503, 'temporarily_unavailable']);
    assert.equal(refreshes(upstream), 0);
    await age(server, 6);
    assert.equal((await tell(reaching)).status, 200);
    assert.equal(refreshes(upstream), 1);
  });

  it('is refreshed after an hour when the provider does not say how long it lives', async () => {
    const reaching = await createReaching(server, upstream);
    await server.sql('update upstream_token set expires_at = null');
    const kept = await tell(reaching);
    assert.deepEqual([kept.status, kept.expires_in], [200, undefined]);
    assert.equal(refreshes(upstream), 0);
    await age(server, 3_601);
    assert.notEqual((await tell(reaching)).access_token, kept.access_token);
    assert.equal(refreshes(upstream), 1);
  });

  it('needs the person when it has expired and the provider gave nothing to refresh it by', async () => {
    upstream.wishes = { noRefreshToken: true };
    const reaching = await createReaching(server, upstream);
    await age(server, 3_600 - 30);
    assert.equal((await tell(reaching)).status, 200);
    await age(server, 60);
    assert.equal((await tell(reaching)).error, 'interaction_required');
    assert.equal(refreshes(upstream), 0);
  });

  it('keeps a refresh token that the provider gave the first time alone', async () => {
    const reaching = await createReaching(server, upstream);
    upstream.wishes = { noRefreshToken: true };
    await link(server, upstream, { accountId: reaching.person.id, scopes: ['notes.read'] });
    await age(server, 3_600);
    assert.equal((await tell(reaching)).status, 200);
    assert.equal(refreshes(upstream), 1);
  });

  it('is not given again to an app that says that the provider refused it', async () => {
    const reaching = await createReaching(server, upstream);
    const { access_token } = await tell(reaching);
    const next = await tell(reaching, { refused_token: access_token });
    assert.notEqual(next.access_token, access_token);
    assert.equal((await tell(reaching, { refused_token: access_token })).access_token, next.access_token);
    assert.equal(refreshes(upstream), 1);
    upstream.revokeAll();
    assert.equal((await tell(reaching, { refused_token: next.access_token })).error, 'interaction_required');
  });

  it('is not given out when a refresh brought more than the person allowed', async () => {
    const reaching = await createReaching(server, upstream);
    await age(server, 3_600);
    upstream.wishes = {
      token: { body: '{"access_token":"wide","token_type":"Bearer","expires_in":3600,"scope":"openid notes.read notes.write"}' },
    };
    assert.equal((await tell(reaching)).error, 'interaction_required');
  });
});
