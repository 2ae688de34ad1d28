import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import type { TestClient } from '../support/flow.ts';
import { addProvider, startUpstream, type TestUpstream, UPSTREAM_CLIENT } from '../support/upstream.ts';
import { answerOf, depart, lastEvents, stored } from '../support/upstream-visit.ts';

/** Answers of a provider that must sign in nobody. Each case has its own provider, because the server remembers a provider's metadata. */

type Problem = 'refused' | 'unavailable' | 'untrustworthy';
const STATUS: Record<Problem, number> = { refused: 401, unavailable: 503, untrustworthy: 502 };
const SAYS: Record<Problem, RegExp> = {
  refused: /The <bdi>Far<\/bdi> sign-in was cancelled or refused/,
  unavailable: /We cannot reach <bdi>Far<\/bdi>/,
  untrustworthy: /We could not trust the answer from <bdi>Far<\/bdi>/,
};

type Lie = { wishes?: TestUpstream['wishes']; person?: Record<string, unknown>; stopped?: true; problem: Problem };

const CANARY = 'canary-3d1f0c9e-that-nobody-may-log';
const HUGE = JSON.stringify({ access_token: CANARY, token_type: 'Bearer', sub: 'far-1', padding: 'x'.repeat(1024 * 1024) });
const past = Math.floor(Date.now() / 1000) - 3_600;
const answers = (name: 'token' | 'userinfo' | 'jwks' | 'discovery'): Record<string, Lie> => ({
  [`${name}: a megabyte`]: { wishes: { [name]: { body: HUGE } }, problem: 'untrustworthy' },
  [`${name}: no JSON`]: { wishes: { [name]: { body: `${CANARY} {"access_token":` } }, problem: 'untrustworthy' },
  [`${name}: JSON of another kind`]: { wishes: { [name]: { body: `["${CANARY}"]` } }, problem: 'untrustworthy' },
  [`${name}: a page`]: { wishes: { [name]: { type: 'text/html', body: `<h1>${CANARY}</h1>` } }, problem: 'untrustworthy' },
  [`${name}: 500`]: { wishes: { [name]: { status: 500, body: CANARY } }, problem: 'unavailable' },
  [`${name}: 503 in JSON`]: { wishes: { [name]: { status: 503, body: '{"error":"temporarily_unavailable"}' } }, problem: 'unavailable' },
  [`${name}: a redirect`]: { wishes: { [name]: { status: 302, body: '' } }, problem: 'untrustworthy' },
});

const OF_BOTH: Record<string, Lie> = {
  'the user denies': { wishes: { denies: 'access_denied' }, problem: 'refused' },
  'an unknown error': { wishes: { denies: `"><script>${CANARY}` }, problem: 'refused' },
  'a server error': { wishes: { denies: 'server_error' }, problem: 'unavailable' },
  'no code': { wishes: { callback: { code: undefined } }, problem: 'untrustworthy' },
  'an unknown code': { wishes: { callback: { code: CANARY } }, problem: 'refused' },
  'an unrequested ID token in the query': { wishes: { callback: { id_token: CANARY } }, problem: 'untrustworthy' },
  'it is down by now': { stopped: true, problem: 'unavailable' },
  'an unknown client': { wishes: { token: { status: 401, body: '{"error":"invalid_client"}' } }, problem: 'refused' },
  'no token': { wishes: { token: { body: '{"token_type":"Bearer"}' } }, problem: 'untrustworthy' },
  'a token that the database cannot store': {
    wishes: { token: { body: `{"access_token":"${CANARY}\\u0000","token_type":"Bearer"}` } },
    problem: 'untrustworthy',
  },
  ...answers('token'),
  ...answers('userinfo'),
  'userinfo: an unknown token': { wishes: { userinfo: { status: 401, body: '{}' } }, problem: 'untrustworthy' },
};

const LIES: Record<TestUpstream['kind'], Record<string, Lie>> = {
  oidc: {
    ...OF_BOTH,
    'another iss in the answer': { wishes: { callback: { iss: 'https://evil.example' } }, problem: 'untrustworthy' },
    'no iss in the answer': { wishes: { callback: { iss: undefined } }, problem: 'untrustworthy' },
    'ID token: another iss': { wishes: { idToken: { iss: 'https://evil.example' } }, problem: 'untrustworthy' },
    'ID token: for another client': { wishes: { idToken: { aud: 'another' } }, problem: 'untrustworthy' },
    'ID token: of several audiences, for another': {
      wishes: { idToken: { aud: [UPSTREAM_CLIENT.id, 'another'], azp: 'another' } },
      problem: 'untrustworthy',
    },
    'ID token: another nonce': { wishes: { idToken: { nonce: 'another' } }, problem: 'untrustworthy' },
    'ID token: no nonce': { wishes: { idToken: { nonce: undefined } }, problem: 'untrustworthy' },
    'ID token: expired': { wishes: { idToken: { exp: past } }, problem: 'untrustworthy' },
    'ID token: no subject': { wishes: { idToken: { sub: undefined } }, problem: 'untrustworthy' },
    'ID token: a subject that the database cannot store': { wishes: { idToken: { sub: 'far\u0000' } }, problem: 'untrustworthy' },
    'ID token: signed by a stranger': { wishes: { wrongSignature: true }, problem: 'untrustworthy' },
    'ID token: another subject than userinfo': { wishes: { idToken: { sub: 'somebody-else' } }, problem: 'untrustworthy' },
    'no ID token': { wishes: { token: { body: `{"access_token":"${CANARY}","token_type":"Bearer"}` } }, problem: 'untrustworthy' },
    ...answers('jwks'),
    'jwks: none': { wishes: { jwks: { body: '{"keys":[]}' } }, problem: 'untrustworthy' },
  },
  oauth2: {
    ...OF_BOTH,
    'userinfo: no subject': { wishes: { userinfo: { body: '{}' } }, problem: 'untrustworthy' },
    'userinfo: an invalid subject': { wishes: { userinfo: { body: '{"sub":{"sub":"far-1"}}' } }, problem: 'untrustworthy' },
    'userinfo: a huge subject': { wishes: { userinfo: { body: `{"sub":"${'x'.repeat(1_000)}"}` } }, problem: 'untrustworthy' },
  },
};

const AT_DEPARTURE: Record<string, Lie> = {
  ...answers('discovery'),
  'discovery: another issuer': {
    wishes: { discovery: { body: '{"issuer":"https://evil.example","authorization_endpoint":"https://evil.example/a"}' } },
    problem: 'untrustworthy',
  },
  'it is down': { stopped: true, problem: 'unavailable' },
};

describe('A provider with untrustworthy or missing answers', () => {
  let server: TestServer;
  let client: TestClient;
  const upstreams: TestUpstream[] = [];

  before(async () => {
    server = await startTestServer();
    client = await server.createClient();
  });
  after(async () => {
    await server.close();
    for (const upstream of upstreams) await upstream.close();
  });

  async function begin(kind: TestUpstream['kind'], id = 'far'): Promise<TestUpstream> {
    const upstream = await startUpstream(kind);
    upstreams.push(upstream);
    await addProvider(server, upstream, { id });
    return upstream;
  }

  /** Asserts the sign-in page with its sentence, nothing linked or stored, one event, and no secret in the log. */
  async function assertRefused(
    page: Awaited<ReturnType<typeof depart>>,
    problem: Problem,
    before: Awaited<ReturnType<typeof stored>>,
    secrets: string[],
  ): Promise<void> {
    assert.equal(page.response.status, STATUS[problem], page.html.slice(0, 2_000));
    assert.match(page.html, SAYS[problem]);
    assert.match(page.html, /name="password"/, 'one can still sign in');
    assert.doesNotMatch(page.html, /<script>canary/);
    assert.equal(page.response.headers.get('retry-after') !== null, problem === 'unavailable');
    assert.deepEqual(await stored(server), before);
    assert.deepEqual(await lastEvents(server), [
      { type: 'sign_in_failed', account_id: null, detail: { method: 'upstream', problem, provider: 'far' } },
    ]);
    const log = server.logLines().join('\n');
    for (const secret of [CANARY, UPSTREAM_CLIENT.secret, ...secrets]) assert.ok(!log.includes(secret), 'a secret in the log');
    assert.ok(!page.html.includes(CANARY));
  }

  for (const kind of ['oidc', 'oauth2'] as const)
    for (const [name, { wishes = {}, stopped, problem }] of Object.entries(LIES[kind]))
      it(`${kind}: ${name}`, async () => {
        const upstream = await begin(kind);
        upstream.wishes = wishes;
        const before = await stored(server);
        const away = await depart(server, client);
        const answer = await answerOf(away);
        if (stopped) await upstream.stop();
        const page = await away.person.open(answer.href);
        const verifiers = upstream.asked.map(({ parameters }) => parameters.get('code_verifier')).filter((text) => text !== null);
        const { state, code } = Object.fromEntries(answer.searchParams);
        await assertRefused(page, problem, before, [...verifiers, ...[state, code].filter((text) => text !== undefined)]);
        // The same answer does not work later either, when the provider is honest again.
        upstream.wishes = {};
        assert.equal((await away.person.open(answer.href)).response.status, 400);
        assert.deepEqual(await stored(server), before);
      });

  for (const [name, { wishes = {}, stopped, problem }] of Object.entries(AT_DEPARTURE))
    it(`before the redirect, ${name}`, async () => {
      const upstream = await begin('oidc');
      upstream.wishes = wishes;
      if (stopped) await upstream.stop();
      const before = await stored(server);
      const [visits] = await server.sql('select count(*) from upstream_visit');
      await assertRefused(await depart(server, client), problem, before, []);
      assert.deepEqual((await server.sql('select count(*) from upstream_visit'))[0], visits);
    });

  it('that is slow in any answer is abandoned in less than five seconds', async () => {
    const asked = await Promise.all(
      (['/.well-known/openid-configuration', '/token', '/jwks', '/userinfo'] as const).map(async (slowAt, n) => {
        const upstream = await begin('oidc', `slow-${n}`);
        upstream.wishes = { slowMs: 6_000, slowAt };
        return { slowAt, upstream, provider: `slow-${n}` };
      }),
    );
    const before = await stored(server);
    await Promise.all(
      asked.map(async ({ slowAt, upstream, provider }) => {
        let [began, away] = [performance.now(), await depart(server, client, { provider })];
        if (!slowAt.startsWith('/.well')) {
          const answer = await answerOf(away);
          began = performance.now();
          away = await away.person.open(answer.href);
        }
        const took = performance.now() - began;
        assert.equal(away.response.status, 503, slowAt);
        assert.match(away.html, SAYS.unavailable);
        assert.ok(took < 5_000, `${slowAt} took ${took}`);
        assert.equal(upstream.asked.filter(({ path }) => path === slowAt).length, 1, 'it is asked once');
      }),
    );
    assert.deepEqual(await stored(server), before);
  });
});
