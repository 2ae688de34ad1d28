import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { allow, answerOf, ask, goTo, kept, newTraveller, tokensFor, visit, visitsTo } from '../support/connecting.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { proveEveryMailbox } from '../support/factors.ts';
import type { TestClient, Tokens } from '../support/flow.ts';
import { createServiceClient, exchange } from '../support/linked.ts';
import { lettersTo } from '../support/mailbox.ts';
import { Person } from '../support/person.ts';
import { addProvider, startUpstream, type TestUpstream } from '../support/upstream.ts';

const NOTHING = { identities: [], tokens: [], events: ['consent_given'] };

for (const kind of ['oidc', 'oauth2'] as const)
  describe(`Connecting services at a provider (${kind})`, () => {
    let server: TestServer;
    let upstream: TestUpstream;
    let client: TestClient;

    before(async () => {
      [server, upstream] = await Promise.all([startTestServer(), startUpstream(kind)]);
      await proveEveryMailbox(server);
      await addProvider(server, upstream, { services: ['notes.read', 'notes.write'] });
      client = await createServiceClient(server);
    });
    after(async () => {
      await server.close();
      await upstream.close();
    });
    beforeEach(() => {
      upstream.wishes = {};
      upstream.asked.length = 0;
    });

    const reaches = async (token: string, scope: string) => {
      const answer = await exchange(server, client, token, { scope });
      const body = (await answer.json()) as Tokens & { error?: string; interaction_uri?: string };
      if (answer.status !== 200) return body;
      const notes = await fetch(`${upstream.issuer}/notes`, { headers: { authorization: `Bearer ${body.access_token}` } });
      assert.equal(notes.status, 200);
      return body;
    };

    it('redirects the user once after consent, stores the tokens with the grant, and the client reaches the service', async () => {
      const someone = await newTraveller(server, upstream);
      const there = await allow(await ask(someone, client, 'openid far:notes.read'));
      assert.equal(there.url.searchParams.get('redirect_uri'), `${server.issuer}/upstream/far/callback`);
      assert.deepEqual(
        there.url.searchParams.get('scope')?.split(' '),
        kind === 'oidc' ? ['openid', 'notes.read'] : ['notes.read'],
        'no more than the service needs',
      );
      const { access_token, scope } = await tokensFor(server, client, await visit(there, upstream));
      assert.equal(scope, 'openid far:notes.read');

      const { identities, tokens, events } = await kept(server, someone);
      assert.deepEqual(identities, [{ provider_id: 'far', subject: upstream.person.sub }]);
      assert.deepEqual(
        tokens.map(({ client_id }) => client_id),
        [client.client_id],
      );
      assert.deepEqual(events, ['consent_given', 'service_connected', 'identity_linked']);
      const letters = await lettersTo(server, someone.credentials.email);
      assert.equal(
        letters.filter(({ subject }) => /was linked to yours/.test(subject)).length,
        1,
        'whoever did not make the link is to hear of it',
      );
      assert.equal((await reaches(access_token, 'far:notes.read')).error, undefined);

      assert.equal(visitsTo(upstream), 1);
      await tokensFor(server, client, await ask(someone, client, 'openid far:notes.read'));
      assert.equal(visitsTo(upstream), 1, 'nobody is asked again');
    });

    it('redirects the user again for a new service, with all allowed scopes', async () => {
      const someone = await newTraveller(server, upstream);
      await visit(await allow(await ask(someone, client, 'openid far:notes.read')), upstream);
      const there = await allow(await ask(someone, client, 'openid far:notes.write'));
      assert.match(String(there.url.searchParams.get('scope')), /notes\.read notes\.write$/);
      const { access_token, scope } = await tokensFor(server, client, await visit(there, upstream));
      assert.equal(scope, 'openid far:notes.write', 'the app gets the scopes that it asked for');
      assert.equal((await kept(server, someone)).tokens.length, 1);
      assert.equal((await reaches(access_token, 'far:notes.write')).error, undefined);
      assert.equal(visitsTo(upstream), 2);
    });

    it('redirects nobody for a service that was not ticked', async () => {
      const someone = await newTraveller(server, upstream);
      const tokens = await tokensFor(server, client, await allow(await ask(someone, client, 'openid far:notes.read'), []));
      assert.equal(tokens.scope, 'openid');
      assert.equal(visitsTo(upstream), 0);
      assert.deepEqual(await kept(server, someone), NOTHING);
    });

    const failures: [name: string, fail: () => void, sentence: RegExp][] = [
      ['refuses', () => (upstream.wishes.denies = 'access_denied'), /refused, or you declined there/],
      ['fails', () => (upstream.wishes.token = { status: 503, body: 'busy' }), /does not answer now/],
      ['lies', () => (upstream.wishes.token = { body: '<html>' }), /could not trust the answer/],
      ['gives more than was allowed', () => (upstream.wishes.scope = 'notes.read everything'), /gave more than you allowed/],
    ];
    for (const [name, fail, sentence] of failures)
      it(`stores nothing when the provider ${name}, says so, and the client gets its code`, async () => {
        const someone = await newTraveller(server, upstream);
        const there = await allow(await ask(someone, client, 'openid far:notes.read'));
        fail();
        const back = await visit(there, upstream);
        assert.equal(back.response.status, 200);
        assert.match(back.html, sentence);
        assert.deepEqual(await kept(server, someone), NOTHING);

        const { access_token } = await tokensFor(server, client, await back.submit({ decision: 'without' }));
        assert.deepEqual(await kept(server, someone), NOTHING);
        const { error, interaction_uri } = await reaches(access_token, 'far:notes.read');
        assert.equal(error, 'interaction_required');
        assert.match(String(interaction_uri), /\/account\/links\/far\/connect\?/);
      });

    it('allows another try on the same page', async () => {
      const someone = await newTraveller(server, upstream);
      const there = await allow(await ask(someone, client, 'openid far:notes.read'));
      upstream.wishes.denies = 'access_denied';
      const back = await visit(there, upstream);
      upstream.wishes = {};
      await tokensFor(server, client, await visit(await goTo(back, 'far'), upstream));
      assert.equal((await kept(server, someone)).tokens.length, 1);
    });

    it('stores what it can use when the provider grants less, and continues', async () => {
      const someone = await newTraveller(server, upstream);
      const there = await allow(await ask(someone, client, 'openid far:notes.read far:notes.write'));
      upstream.wishes.scope = 'notes.read';
      const { access_token } = await tokensFor(server, client, await visit(there, upstream));
      assert.deepEqual(
        (await kept(server, someone)).tokens.map(({ scope }) => scope),
        ['notes.read'],
      );
      assert.equal((await reaches(access_token, 'far:notes.read')).error, undefined);
      assert.equal((await reaches(access_token, 'far:notes.write')).error, 'interaction_required');
    });

    it('accepts no account there other than the linked one', async () => {
      const someone = await newTraveller(server, upstream);
      await visit(await allow(await ask(someone, client, 'openid far:notes.read')), upstream);
      const before = await kept(server, someone);
      const there = await allow(await ask(someone, client, 'openid far:notes.write'));
      upstream.person = { ...upstream.person, sub: 'another' };
      const back = await visit(there, upstream);
      assert.match(back.html, /another Far account/);
      assert.deepEqual(await kept(server, someone), { ...before, events: [...before.events, 'consent_given'] });
      await tokensFor(server, client, await back.submit({ decision: 'without' }));
    });

    it('accepts no account there that is linked to another user here', async () => {
      const first = await newTraveller(server, upstream);
      await visit(await allow(await ask(first, client, 'openid far:notes.read')), upstream);
      const { sub } = upstream.person;
      const second = await newTraveller(server, upstream);
      upstream.person = { ...upstream.person, sub };
      const back = await visit(await allow(await ask(second, client, 'openid far:notes.read')), upstream);
      assert.match(back.html, /linked to another account here/);
      assert.deepEqual(await kept(server, second), NOTHING);
      assert.equal((await kept(server, first)).tokens.length, 1);
    });

    it('accepts an answer once, and only from the redirected browser', async () => {
      const someone = await newTraveller(server, upstream);
      const answer = await answerOf(await allow(await ask(someone, client, 'openid far:notes.read')), upstream);
      const stranger = await new Person(server.issuer).open(answer);
      assert.equal(stranger.response.status, 400);
      assert.deepEqual(await kept(server, someone), NOTHING);
      await tokensFor(server, client, await someone.person.open(answer));
      const before = await kept(server, someone);
      const again = await someone.person.open(answer);
      assert.equal(again.response.status, 400);
      assert.deepEqual(await kept(server, someone), before);
    });
  });
