import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import type { TestClient } from '../support/flow.ts';
import { type Page, Person } from '../support/person.ts';
import { newestProof, openPage, openSignIn } from '../support/sign-up.ts';
import { addProvider, startUpstream, type TestUpstream } from '../support/upstream.ts';
import { answerOf, depart, departFrom, stored, visitUpstream } from '../support/upstream-visit.ts';

/** Answers that reach the wrong browser, the wrong place or the wrong time, and the forms that follow. */
describe('Visits to a provider', () => {
  let server: TestServer;
  let client: TestClient;
  let upstream: TestUpstream;
  let people = 0;

  before(async () => {
    server = await startTestServer();
    client = await server.createClient();
    upstream = await startUpstream();
  });
  beforeEach(async () => {
    await addProvider(server, upstream);
    people += 1;
    upstream.person = { sub: `far-${people}`, email: `traveller${people}@far.example`, email_verified: true, name: '여행자' };
  });
  after(async () => {
    await server.close();
    await upstream.close();
  });

  const tokensAsked = () => upstream.asked.filter(({ path }) => path === '/token').length;

  /** Asserts that the server accepts no answer: it does not even send it to the provider. */
  async function assertNobodys(open: () => Promise<Page>, says = /This sign-in has ended/): Promise<void> {
    const [before, asked] = [await stored(server), tokensAsked()];
    const page = await open();
    assert.equal(page.response.status, 400, page.html.slice(0, 1_000));
    assert.match(page.html, says);
    assert.deepEqual(await stored(server), before);
    assert.equal(tokensAsked(), asked);
  }

  it('accept an answer once: the same browser gets an error when it sends it again', async () => {
    const away = await depart(server, client);
    const answer = await answerOf(away);
    const page = await away.person.open(answer.href);
    assert.match(page.html, /name="agree"/);
    await assertNobodys(() => away.person.open(answer.href));
    // The same past the callback.
    await assertNobodys(() => openPage(page, `upstream/return${answer.search}`), /has already ended/);
    assert.match((await page.submit({ name: '여행자', agree: 'yes' })).html, /value="approve"/, 'what it brought the first time stands');
  });

  it('accept one of twenty equal answers at once', async () => {
    const away = await depart(server, client);
    const answer = await answerOf(away);
    const asked = tokensAsked();
    const pages = await Promise.all(Array.from({ length: 20 }, () => away.person.open(answer.href)));
    assert.equal(tokensAsked(), asked + 1);
    assert.ok(pages.every(({ response }) => response.status < 500));
    assert.equal(pages.filter(({ html }) => html.includes('name="agree"')).length, 1);
  });

  it('refuse an answer in another browser, even one with its own sign-in in progress', async () => {
    const before = await stored(server);
    const away = await depart(server, client);
    const answer = await answerOf(away);
    await assertNobodys(() => new Person(server.issuer).open(answer.href), /This page is no longer valid/);
    const other = await openSignIn(server, client);
    await assertNobodys(() => other.person.open(answer.href), /This page is no longer valid/);
    await assertNobodys(() => openPage(other, `upstream/return${answer.search}`), /has already ended/);
    assert.match((await away.person.open(answer.href)).html, /name="agree"/, 'whose it is can still bring it');
    assert.deepEqual(await stored(server), before);
  });

  it('refuse an answer at the callback of another provider (mix-up, RFC 9700 section 4.4)', async () => {
    const evil = await startUpstream();
    await addProvider(server, evil, { id: 'evil' });
    const away = await depart(server, client);
    const answer = await answerOf(away);
    const elsewhere = answer.href.replace('/upstream/far/', '/upstream/evil/');
    await assertNobodys(() => away.person.open(elsewhere));
    assert.equal(evil.asked.length, 0, 'the code is not told to the other');
    await server.sql("delete from upstream_provider where id = 'evil'");
    await evil.close();
  });

  it("refuse an answer without its state, with another's, with two, or with an invalid one", async () => {
    const [away, other] = [await depart(server, client), await depart(server, client)];
    const [answer, foreign] = [await answerOf(away), await answerOf(other)];
    const changed = (change: (query: URLSearchParams) => void) => {
      const url = new URL(answer);
      change(url.searchParams);
      return url.href;
    };
    await assertNobodys(() => away.person.open(changed((query) => query.delete('state'))));
    for (const state of ['', 'x'.repeat(5_000), '\u0000', 'far'])
      await assertNobodys(() => away.person.open(changed((query) => query.set('state', state))));
    const theirs = String(foreign.searchParams.get('state'));
    await assertNobodys(() => away.person.open(changed((query) => query.set('state', theirs))), /This page is no longer valid/);
    const before = await stored(server);
    const twice = await away.person.open(changed((query) => query.append('state', theirs)));
    assert.equal(twice.response.status, 502);
    assert.deepEqual(await stored(server), before);
  });

  it('carry an answer by form_post on to its sign-in', async () => {
    await addProvider(server, upstream, { authorizationParameters: { response_mode: 'form_post' } });
    const away = await depart(server, client);
    assert.equal(away.url.searchParams.get('response_mode'), 'form_post');
    const answer = await answerOf(away);
    // A browser sends none of the server's cookies with it. The page that answers navigates on, and then the browser sends them.
    const bare = await fetch(`${server.issuer}${answer.pathname}`, { method: 'POST', body: answer.searchParams, redirect: 'manual' });
    assert.equal(bare.status, 200);
    const onward = String(bare.headers.get('refresh')).replace('0; url=', '');
    assert.match((await away.person.open(onward)).html, /name="agree"/);
    const huge = await fetch(`${server.issuer}${answer.pathname}`, {
      method: 'POST',
      body: new URLSearchParams({ state: 'x'.repeat(70_000) }),
    });
    assert.equal(huge.status, 413);
  });

  it('do not check an answer of a provider that was disabled meanwhile', async () => {
    const away = await depart(server, client);
    const answer = await answerOf(away);
    await server.sql('update upstream_provider set disabled_at = now()');
    await assertNobodys(() => away.person.open(answer.href), /has already ended/);
    // A sign-up that had already arrived creates no account either.
    await addProvider(server, upstream);
    const page = await visitUpstream(server, client);
    const before = await stored(server);
    await server.sql('update upstream_provider set disabled_at = now()');
    const late = await page.submit({ name: '여행자', agree: 'yes' });
    assert.equal(late.response.status, 400);
    assert.match(late.html, /has already ended/);
    assert.deepEqual(await stored(server), before);
  });

  it('link an identity to one of two users who use it at once', async () => {
    const pages = [await visitUpstream(server, client), await visitUpstream(server, client)];
    const before = await stored(server);
    const done = await Promise.all(pages.map((page) => page.submit({ name: '여행자', agree: 'yes' })));
    assert.equal(done.filter(({ html }) => html.includes('value="approve"')).length, 1);
    const lost = done.find(({ html }) => !html.includes('value="approve"'));
    assert.equal(lost?.response.status, 409, lost?.html);
    const now = await stored(server);
    assert.deepEqual([now.accounts, now.identities, now.tokens], [before.accounts + 1, before.identities + 1, before.tokens + 1]);
  });

  it('accept only their own form: the address that the provider verified, and no other spelling or foreign form', async () => {
    const page = await visitUpstream(server, client);
    const before = await stored(server);
    for (const name of ['', ' ', '\u200b', '\u202e홍길동', 'x\u0007', 'x'.repeat(101)]) {
      const refused = await page.submit({ name, agree: 'yes' });
      assert.equal(refused.response.status, 400, JSON.stringify(name));
      assert.match(refused.html, /href="#name"/);
    }
    assert.equal((await page.submit({ name: 'x\u0000', agree: 'yes' })).response.status, 400);
    assert.equal((await page.submit({ name: 'x'.repeat(70_000), agree: 'yes' })).response.status, 413);
    assert.equal((await page.submit({ name: '여행자', agree: 'no' })).response.status, 400);
    for (const csrf of ['', 'guessed', String((await openSignIn(server, client)).form().hidden['csrf'])])
      assert.equal((await page.submit({ name: '여행자', agree: 'yes', csrf })).response.status, 403);
    assert.equal((await page.submit({ name: '여행자', agree: 'yes' }, { 'sec-fetch-site': 'cross-site' })).response.status, 403);
    assert.deepEqual(await stored(server), before);
  });

  it("show a provider's values as text", async () => {
    upstream.person = {
      ...upstream.person,
      name: '<img src=x onerror=alert(1)>\u202e',
      preferred_username: '"><script>alert(1)</script>\u202e',
      locale: 'ko\u2028',
      email: '"<script>"@far.example',
    };
    const page = await visitUpstream(server, client);
    assert.match(page.html, /name="agree"/);
    assert.doesNotMatch(page.html, /<img src=x|<script>alert|<script>"@/);
    assert.equal((await page.submit({ name: String(upstream.person['name']), agree: 'yes', email: 'a@b.example' })).response.status, 400);
  });

  it('create one account for a form that is sent twice, or late', async () => {
    const page = await visitUpstream(server, client);
    const before = await stored(server);
    const both = await Promise.all([page.submit({ name: '하나', agree: 'yes' }), page.submit({ name: '하나', agree: 'yes' })]);
    assert.ok(both.every(({ response }) => response.status < 500));
    const late = await page.submit({ name: '하나', agree: 'yes' });
    assert.ok(late.response.status < 500);
    const now = await stored(server);
    assert.deepEqual([now.accounts, now.identities], [before.accounts + 1, before.identities + 1]);
  });

  it('create no account for a mail proof if the identity was linked meanwhile', async () => {
    upstream.person = { ...upstream.person, email_verified: false };
    const email = `mailed${people}@people.example`;
    const code = await (await visitUpstream(server, client)).submit({ name: '여행자', email, agree: 'yes' });
    const other = await server.createPerson();
    await server.sql("insert into upstream_identity (id, provider_id, subject, account_id, details) values ($1, 'far', $1, $2, '{}')", [
      upstream.person.sub,
      other.id,
    ]);
    const before = await stored(server);
    const refused = await code.submit({ code: (await newestProof(server, email)).code });
    assert.equal(refused.response.status, 409);
    assert.match(refused.html, /can no longer link that account/);
    assert.deepEqual(await stored(server), before);
  });

  it('can begin only at a limited rate from one network; arrivals do not count', async () => {
    const page = await openSignIn(server, client);
    await server.sql('delete from rate_limit');
    await server.sql('update rate_limit set points = 0');
    assert.match((await visitUpstream(server, client)).html, /name="agree"/);
    const [left] = await server.sql('select points from rate_limit order by points limit 1');
    assert.equal(left?.['points'], 0);
    await server.sql('update rate_limit set points = 100');
    const [before] = await server.sql('select count(*) from upstream_visit');
    const refused = await departFrom(page);
    assert.equal(refused.response.status, 429);
    assert.match(refused.html, /Too many attempts/);
    assert.deepEqual((await server.sql('select count(*) from upstream_visit'))[0], before);
    await server.sql('delete from rate_limit');
  });
});
