import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { ageSignIns, eventsOf, openAccount, signInIfAsked } from '../support/account.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { proveEveryMailbox } from '../support/factors.ts';
import { lettersTo } from '../support/mailbox.ts';
import { Person } from '../support/person.ts';
import { countRows, unchanged } from '../support/storage.ts';
import { addProvider, startUpstream, type TestUpstream } from '../support/upstream.ts';
import { answerOf, leaveFor, linkAt, linkByPage, linksOf, nobodyKnown } from '../support/upstream-link.ts';

// What is counted, looked at or left for ten minutes, whatever becomes of a link.
const ASIDE = ['rate_limit', 'upstream_visit', 'session'];

describe('Linking an account at a provider', () => {
  let server: TestServer;
  let upstream: TestUpstream;
  let plain: TestUpstream;
  let count = 0;
  before(async () => {
    [server, upstream, plain] = await Promise.all([startTestServer(), startUpstream(), startUpstream('oauth2')]);
    await proveEveryMailbox(server);
    await addProvider(server, upstream, { id: 'far', name: 'Far', services: ['notes.read'] });
    await addProvider(server, plain, {
      id: 'plain',
      name: 'Plain <i>',
      claims: { subject: 'sub', email: 'email', name: 'name' },
    });
  });
  after(async () => {
    await Promise.all([server.close(), upstream.close(), plain.close()]);
  });
  beforeEach(() => {
    upstream.wishes = {};
    nobodyKnown(upstream, `far-${++count}`);
    nobodyKnown(plain, `plain-${count}`);
  });

  const openLinks = (person: { email: string; password: string }, at?: Person) => openAccount(server, person, '/account/links', at);

  it('links what its person proves to be theirs, says so by letter and in the activity, and shows what the provider tells', async () => {
    const person = await server.createPerson();
    const page = await linkByPage(await openLinks(person));
    assert.equal(page.url.pathname + page.url.search, '/account/links?done');
    assert.match(page.html, /role="status">Your change is saved\./);
    for (const told of [upstream.person['name'], upstream.person['email']]) assert(page.html.includes(`<bdi>${told}</bdi>`), String(told));
    assert.equal(linkAt(page), undefined, 'it is linked, and not offered again');
    const [kept, ...more] = await linksOf(server, person.id);
    assert.deepEqual([kept?.['provider_id'], kept?.['subject'], more], ['far', upstream.person.sub, []]);
    assert.equal(
      await countRows(
        server,
        'upstream_token t join upstream_identity i on i.id = t.identity_id where i.account_id = $1 and t.grant_id is null',
        [person.id],
      ),
      1,
    );
    assert.deepEqual(await eventsOf(server, person.id), ['identity_linked']);
    const [letter] = await lettersTo(server, person.email);
    assert.match(String(letter?.text), /Far/);
    assert.match((await page.person.open('/account')).html, /1 account/);
    assert.match((await page.person.open('/account/activity')).html, /Linked another account <strong><bdi>Far<\/bdi><\/strong>/);
  });

  it('links several providers to one person, one of them without OpenID Connect, and escapes what they are called', async () => {
    const person = await server.createPerson();
    const page = await linkByPage(await linkByPage(await openLinks(person)), 'plain');
    assert.deepEqual(
      (await linksOf(server, person.id)).map((row) => row['subject']),
      [upstream.person.sub, plain.person.sub],
    );
    assert.match(page.html, /<bdi>Plain &lt;i&gt;<\/bdi>/);
  });

  it('refreshes the details of a link that is there already, and tells nobody of it as of a new one', async () => {
    const person = await server.createPerson();
    const page = await openLinks(person);
    const again = linkAt(page);
    await linkByPage(page);
    upstream.person = { ...upstream.person, name: 'Changed \u202eName', preferred_username: '"><script>alert(1)</script>' };
    const second = await page.person.open(await answerOf((await page.person.open(String(again))).url));
    assert.equal(second.url.search, '?done');
    assert.match(second.html, /<bdi>Changed Name<\/bdi>/, 'without what turns the text around it');
    assert.doesNotMatch(second.html, /<script>alert/);
    assert.equal((await linksOf(server, person.id)).length, 1);
    const third = await page.person.open(await answerOf((await page.person.open(String(again))).url));
    assert.equal(third.url.search, '?done');
    assert.deepEqual(await eventsOf(server, person.id), ['identity_details_changed', 'identity_linked'], 'nothing of what stayed the same');
    assert.equal((await lettersTo(server, person.email)).length, 1);
  });

  it('changes nothing where the account is somebody else’s, or another one is linked there already', async () => {
    const [first, second] = [await server.createPerson(), await server.createPerson()];
    const page = await openLinks(first);
    const again = String(linkAt(page));
    await linkByPage(page);
    const other = await openLinks(second);
    const taken = await unchanged(server, () => linkByPage(other), ASIDE);
    assert.equal(taken.url.search, '?problem=taken');
    assert.match(taken.html, /role="alert"[^>]*>Another user has already linked/);
    nobodyKnown(upstream, `other-${count}`);
    const another = await unchanged(server, async () => page.person.open(await answerOf((await page.person.open(again)).url)), ASIDE);
    assert.match(another.html, /role="alert"[^>]*>Another account is already linked there/);
    assert.deepEqual([(await linksOf(server, first.id)).length, (await linksOf(server, second.id)).length], [1, 0]);
  });

  it('links one account to one of two people who bring it at the same moment, and one of two accounts to one person', async () => {
    const people = [await server.createPerson(), await server.createPerson()];
    const pages = await Promise.all(people.map((person) => openLinks(person)));
    const answers = await Promise.all(pages.map(async (page) => answerOf(await leaveFor(page))));
    const [one, two] = await Promise.all(pages.map((page, n) => page.person.open(String(answers[n]))));
    assert.deepEqual([one?.url.search, two?.url.search].toSorted(), ['?done', '?problem=taken']);

    const person = await server.createPerson();
    const page = await openLinks(person);
    const [to, too] = [String(linkAt(page)), String(linkAt(page))];
    nobodyKnown(upstream, `a-${count}`);
    const a = await answerOf((await page.person.open(to)).url);
    nobodyKnown(upstream, `b-${count}`);
    const b = await answerOf((await page.person.open(too)).url);
    const ends = await Promise.all([page.person.open(a), page.person.open(b)]);
    assert.deepEqual(ends.map(({ url }) => url.search).toSorted(), ['?done', '?problem=another']);
    assert.equal((await linksOf(server, person.id)).length, 1);
    assert.deepEqual(await eventsOf(server, person.id), ['identity_linked']);
  });

  it('changes nothing when the provider says no, is away or lies, and says which', async () => {
    const person = await server.createPerson();
    const page = await openLinks(person);
    const sad: [TestUpstream['wishes'], string][] = [
      [{ denies: 'access_denied' }, 'refused'],
      [{ denies: 'temporarily_unavailable' }, 'unavailable'],
      [{ token: { status: 500, body: 'no' } }, 'unavailable'],
      // Longer than anybody is let wait here.
      [{ slowMs: 8_000, slowAt: '/token' }, 'unavailable'],
      [{ token: { body: '<html>' } }, 'untrustworthy'],
      [{ token: { body: `{"access_token":"${'x'.repeat(300_000)}"}` } }, 'untrustworthy'],
      [{ wrongSignature: true }, 'untrustworthy'],
      [{ idToken: { nonce: 'another' } }, 'untrustworthy'],
      [{ callback: { iss: 'https://elsewhere.example' } }, 'untrustworthy'],
    ];
    for (const [wishes, problem] of sad) {
      upstream.wishes = {};
      const away = await leaveFor(page);
      upstream.wishes = wishes;
      const end = await unchanged(server, async () => page.person.open(await answerOf(away)), ASIDE);
      assert.equal(end.url.search, `?problem=${problem}`, JSON.stringify(wishes));
      assert.equal(end.response.status, 200);
      assert.match(end.html, /role="alert"[^>]*>[^<]*Nothing was changed\./);
    }
    const log = server.logLines().join('\n');
    assert.match(log, /not_linked refused access_denied/);
  });

  it('says that the provider is away before anybody is sent there', async () => {
    const unreachable = await startUpstream();
    await addProvider(server, unreachable, { id: 'gone', name: 'Gone' });
    await unreachable.close();
    const page = await openLinks(await server.createPerson());
    const end = await unchanged(server, () => page.person.open(String(linkAt(page, 'gone'))), ASIDE);
    assert.equal(end.url.search, '?problem=unavailable');
    await server.sql(`delete from upstream_provider where id = 'gone'`);
  });

  it('takes an answer once, in the session that asked for it, and from nobody else', async () => {
    const [person, other] = [await server.createPerson(), await server.createPerson()];
    const [page, elsewhere] = [await openLinks(person), await openLinks(other)];
    const answer = await answerOf(await leaveFor(page));
    const stolen = await unchanged(server, () => elsewhere.person.open(answer), ASIDE);
    assert.equal(stolen.url.search, '?problem=gone');
    const second = await openLinks(person, new Person(server.issuer));
    assert.equal((await unchanged(server, () => second.person.open(answer), ASIDE)).url.search, '?problem=gone');
    // It was not used up by either.
    assert.equal((await page.person.open(answer)).url.search, '?done');
    const spent = await unchanged(server, () => page.person.open(answer), ASIDE);
    assert.equal(spent.response.status, 400);
    assert.match(spent.html, /This sign-in has ended/);
  });

  it('takes no answer after ten minutes, nor one to nothing', async () => {
    const page = await openLinks(await server.createPerson());
    const answer = await answerOf(await leaveFor(page));
    await server.sql(`update upstream_visit set expires_at = now() - interval '1 second'`);
    assert.equal((await unchanged(server, () => page.person.open(answer), ASIDE)).response.status, 400);
    for (const query of ['', '?state=', '?state=%00', `?state=${'x'.repeat(5_000)}`, '?state=a&state=b', '?code=%ED%A0%80&state=\u202e']) {
      const end = await unchanged(server, () => page.person.open(`/account/links/return${query}`), ASIDE);
      assert.equal(end.url.search, '?problem=gone', query);
    }
  });

  it('sends nobody away who did not choose it on the page: a stranger’s account must not become a way in', async () => {
    const [page, other] = [await openLinks(await server.createPerson()), await openLinks(await server.createPerson())];
    const theirs = String(linkAt(other));
    for (const path of [theirs, '/account/links/far?wish=guessed', '/account/links/far?wish=', '/account/links/far?wish=a&wish=b']) {
      const refused = await unchanged(server, () => page.person.open(path));
      assert.equal(refused.response.status, 403, path);
    }
    const wish = String(linkAt(page));
    const crossSite = await unchanged(server, () => page.person.open(wish, { headers: { 'sec-fetch-site': 'cross-site' } }));
    assert.equal(crossSite.response.status, 403);
    const token = wish.split('?')[1];
    for (const id of ['nowhere', 'x'.repeat(300), '%00', 'FAR'])
      assert.equal((await unchanged(server, () => page.person.open(`/account/links/${id}?${token}`))).response.status, 404, id);
  });

  it('asks for a sign-in of a moment ago first, and then for the choice again', async () => {
    const person = await server.createPerson();
    const page = await openLinks(person);
    await ageSignIns(server, 3_600);
    const asked = await page.person.open(String(linkAt(page)));
    assert.match(asked.url.pathname, /^\/interaction\//);
    const back = await signInIfAsked(asked, person);
    assert.equal(back.url.pathname + back.url.search, '/account/links?again');
    assert.equal((await linkByPage(back)).url.search, '?done');
  });

  it('lets nobody begin more than a few links in a while', async () => {
    const page = await openLinks(await server.createPerson());
    const wish = String(linkAt(page));
    for (let n = 0; n < 20; n++) assert.equal((await page.person.request(wish)).status, 303);
    const refused = await page.person.request(wish);
    assert.equal(refused.status, 429);
    assert(Number(refused.headers.get('retry-after')) > 0);
    assert.equal((await page.person.open('/account/links')).response.status, 200, 'the page goes on');
  });
});
