import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { allow, answerOf, ask, kept, letReach, newTraveller, type Someone, tokensFor, visit, visitsTo } from '../support/connecting.ts';
import { freePort, REDIRECT_URI, startTestServer, type TestServer } from '../support/environment.ts';
import { ageSessions, proveEveryMailbox } from '../support/factors.ts';
import type { TestClient } from '../support/flow.ts';
import { age, createServiceClient, exchange } from '../support/linked.ts';
import { type Page, Person } from '../support/person.ts';
import { addProvider, startUpstream, type TestUpstream } from '../support/upstream.ts';

// The longest address that a client may register.
const LONGEST = `https://client.example/${'x'.repeat(2_000)}`.slice(0, 2_000);

/** The `interaction_uri` of a token exchange, to which a client sends its user. */
describe("Connecting a service by a client's link", () => {
  let server: TestServer;
  let upstream: TestUpstream;
  let client: TestClient;

  before(async () => {
    [server, upstream] = await Promise.all([startTestServer(), startUpstream()]);
    await proveEveryMailbox(server);
    await addProvider(server, upstream, { services: ['notes.read'] });
    client = await createServiceClient(server, { redirect_uris: [REDIRECT_URI, 'https://client.example/back?from=us', LONGEST] });
  });
  after(() => Promise.all([server.close(), upstream.close()]));
  beforeEach(() => {
    upstream.wishes = {};
    upstream.asked.length = 0;
  });

  const link = (parameters: Record<string, string> = {}, provider = 'far') =>
    `/account/links/${provider}/connect?${new URLSearchParams({ client_id: client.client_id, ...parameters })}`;

  /** A user who allowed the service to the client and did not go to the provider. */
  async function consented(): Promise<Someone> {
    const someone = await newTraveller(server, upstream);
    await allow(await ask(someone, client, 'openid far:notes.read'));
    upstream.asked.length = 0;
    return someone;
  }

  const nothing = { identities: [], tokens: [], events: ['consent_given'] };

  it('names the client and its requested access, goes to the provider by a button, and returns to the client with its state', async () => {
    const someone = await consented();
    const page = await someone.person.open(link({ redirect_uri: REDIRECT_URI, state: 'a b&c=d;e' }));
    assert.equal(page.response.status, 200);
    assert.match(page.html, /<bdi>Test app<\/bdi>[\s\S]*May act for you at Far[\s\S]*Read notes\.read/);
    assert.equal(visitsTo(upstream), 0);
    const there = await page.submit({});
    assert.deepEqual(there.url.searchParams.get('scope'), 'openid notes.read');
    const { url } = await visit(there, upstream);
    assert.equal(url.origin + url.pathname, REDIRECT_URI);
    assert.deepEqual(
      [...url.searchParams],
      [
        ['service', 'far'],
        ['state', 'a b&c=d;e'],
      ],
    );
    const { identities, tokens, events } = await kept(server, someone);
    assert.deepEqual([identities.length, tokens.map(({ client_id }) => client_id)], [1, [client.client_id]]);
    assert.deepEqual(events, ['consent_given', 'service_connected', 'identity_linked']);
  });

  it("starts from the token exchange's link when the provider's tokens no longer work, and repairs the connection", async () => {
    const someone = await newTraveller(server, upstream);
    const { access_token } = await tokensFor(
      server,
      client,
      await visit(await allow(await ask(someone, client, 'openid far:notes.read')), upstream),
    );
    assert.equal((await exchange(server, client, access_token)).status, 200);
    upstream.revokeAll();
    await age(server, 3_600);
    const refusal = (await (await exchange(server, client, access_token)).json()) as { error: string; interaction_uri: string };
    assert.equal(refusal.error, 'interaction_required');
    const page = await someone.person.open(`${refusal.interaction_uri}&redirect_uri=${encodeURIComponent(REDIRECT_URI)}`);
    assert.match(page.html, /Linked:[^<]*<bdi>traveller@far\.example/);
    const there = await page.submit({});
    assert.equal(there.url.searchParams.get('login_hint'), 'traveller@far.example');
    assert.equal((await visit(there, upstream)).url.href, `${REDIRECT_URI}?service=far`);
    assert.equal((await exchange(server, client, access_token)).status, 200);
    assert.equal((await kept(server, someone)).tokens.length, 1);
  });

  it("keeps the query of the client's registered address, and leads to the links without an address", async () => {
    const someone = await consented();
    const first = await someone.person.open(link({ redirect_uri: 'https://client.example/back?from=us' }));
    const { url } = await visit(await first.submit({}), upstream);
    assert.equal(url.href, 'https://client.example/back?from=us&service=far');
    const second = await someone.person.open(link());
    const answer = await answerOf(await second.submit({}), upstream);
    const carried = (await someone.person.request(answer)).headers.get('refresh')?.replace('0; url=', '');
    assert.equal((await someone.person.request(String(carried))).headers.get('location'), '/account/links?done');
  });

  it('survives a sign-in: the user returns to the page of the link', async () => {
    const someone = await consented();
    const browser = new Person(server.issuer);
    const door = await browser.open(link({ redirect_uri: REDIRECT_URI, state: 'kept' }));
    assert.match(door.html, /name="password"/);
    const page = await door.submit(someone.credentials);
    assert.match(page.html, /<bdi>Test app<\/bdi>/);
    assert.equal((await visit(await page.submit({}), upstream)).url.searchParams.get('state'), 'kept');
  });

  it('accepts the longest address that a client can register, also over a sign-in', async () => {
    const someone = await consented();
    const door = await new Person(server.issuer).open(link({ redirect_uri: LONGEST, state: 's'.repeat(1_000) }));
    const page = await door.submit(someone.credentials);
    assert.match(page.html, /<bdi>Test app<\/bdi>/);
    assert((await visit(await page.submit({}), upstream)).url.href.startsWith(`${LONGEST}?service=far`));
  });

  it('requires a recent sign-in to link an account', async () => {
    const someone = await consented();
    await ageSessions(server, someone.credentials.id, 3_600);
    const door = await someone.person.open(link());
    assert.match(door.html, /name="password"/);
    const page = await door.submit(someone.credentials);
    await ageSessions(server, someone.credentials.id, 3_600);
    assert.match((await page.submit({})).html, /name="password"/);
    assert.equal(visitsTo(upstream), 0);
    assert.deepEqual(await kept(server, someone), nothing);
  });

  it('shows an error of the provider on the page, and the user can leave without it', async () => {
    const someone = await consented();
    const page = await someone.person.open(link({ redirect_uri: REDIRECT_URI, state: 's' }));
    const there = await page.submit({});
    upstream.wishes.denies = 'access_denied';
    const back = await visit(there, upstream);
    assert.match(back.html, /refused, or you declined there/);
    assert.deepEqual(await kept(server, someone), nothing);
    const leave = /href="(https:[^"]+)"/.exec(back.html)?.[1]?.replaceAll('&amp;', '&');
    assert.equal(leave, `${REDIRECT_URI}?service=far&error=access_denied&state=s`);
  });

  it('says when the provider cannot be reached', async () => {
    const someone = await consented();
    await addProvider(server, upstream, { services: ['notes.read'], issuer: `http://localhost:${await freePort()}` });
    try {
      const page = await someone.person.open(link());
      assert.match((await page.submit({})).html, /does not answer now/);
      assert.deepEqual(await kept(server, someone), nothing);
    } finally {
      await addProvider(server, upstream, { services: ['notes.read'] });
    }
  });

  it('accepts no answer twice, and no answer of another browser', async () => {
    const someone = await consented();
    const answer = await answerOf(await (await someone.person.open(link())).submit({}), upstream);
    const stranger = await consented();
    const foreign = await stranger.person.open(answer);
    assert.equal(foreign.response.status, 400);
    assert.deepEqual(await kept(server, stranger), nothing);
    assert.deepEqual(await kept(server, someone), nothing);
    await someone.person.open(answer);
    const before = await kept(server, someone);
    assert.equal(before.tokens.length, 1);
    assert.equal((await someone.person.open(answer)).response.status, 400);
    assert.deepEqual(await kept(server, someone), before);
  });

  async function assertRefused(someone: Someone, attempt: () => Promise<Page>, sentence: RegExp, status = 400): Promise<void> {
    const before = await kept(server, someone);
    const page = await attempt();
    assert.equal(page.url.origin, server.issuer, 'nobody is sent anywhere');
    assert.equal(page.response.status, status, page.html);
    assert.match(page.html, sentence);
    assert.deepEqual(await kept(server, someone), before);
    assert.equal(visitsTo(upstream), 0);
  }

  it('refuses a link that no client of this server has, and leads nowhere', async () => {
    const someone = await consented();
    const unknown = /This link is not valid/;
    const wrong: Record<string, string>[] = [
      { client_id: 'unknown' },
      { client_id: '' },
      { client_id: '\u0000' },
      { client_id: 'x'.repeat(300) },
      { redirect_uri: 'https://evil.example/' },
      { redirect_uri: `${REDIRECT_URI}/` },
      { redirect_uri: `${REDIRECT_URI}?more=1` },
      { redirect_uri: '' },
      { redirect_uri: 'javascript:alert(1)' },
      { redirect_uri: `https://client.example/${'x'.repeat(2_000)}` },
      { state: '\u202e' },
      { state: 'x'.repeat(2_000) },
      { request: 'guessed' },
      { request: 'v1.00000000.AAAA.AAAA' },
      { request: '' },
    ];
    for (const parameters of wrong) await assertRefused(someone, () => someone.person.open(link(parameters)), unknown);
    await assertRefused(someone, () => someone.person.open(`${link()}&client_id=another`), unknown);
    for (const provider of ['near', 'FAR', '%00', 'x'.repeat(100)])
      await assertRefused(
        someone,
        () => someone.person.open(link({}, provider)),
        /This link is not valid|given this app permission|could not be read/,
      );
    const sealed = (await someone.person.request(link())).headers.get('location') ?? '';
    await assertRefused(someone, () => someone.person.open(sealed.replace('/far/', '/near/')), unknown);
  });

  it('refuses a client without access there, from its user or from an operator', async () => {
    const someone = await consented();
    const other = await createServiceClient(server);
    const noLeave = /given this app permission/;
    await assertRefused(someone, () => someone.person.open(link({ client_id: other.client_id })), noLeave);
    const page = await someone.person.open(link());
    await letReach(server, client, []);
    try {
      await assertRefused(someone, () => page.submit({}), noLeave);
    } finally {
      await letReach(server, client, ['far']);
    }
    await server.sql('delete from grant_record where account_id = $1', [someone.credentials.id]);
    await assertRefused(someone, () => someone.person.open(link()), noLeave);
  });

  it('accepts its form only from this browser and this page', async () => {
    const someone = await consented();
    const page = await someone.person.open(link());
    const stranger = await (await consented()).person.open(link());
    const { request } = page.form().hidden as { request: string };
    for (const fields of [{ csrf: '' }, { csrf: 'guessed' }, { csrf: String(stranger.form().hidden['csrf']) }])
      await assertRefused(someone, () => page.submit(fields), /could not be accepted|refused|form/i, 403);
    await assertRefused(someone, () => page.submit({}, { 'sec-fetch-site': 'cross-site' }), /form/i, 403);
    for (const fields of [{ request: '' }, { request: `${request}x` }, { request: 'x'.repeat(9_000) }, { request: '\u202e' }])
      await assertRefused(someone, () => page.submit(fields), /This link is not valid/);
    await assertRefused(someone, () => page.submit({ request: 'x'.repeat(70_000) }), /./, 413);
    assert.equal((await page.submit({})).url.origin, upstream.issuer, 'the right one goes on');
  });
});
