import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { addPasskey, addTotp, forgetSteps, options, totpCode } from '../support/factors.ts';
import type { TestClient } from '../support/flow.ts';
import { lettersTo } from '../support/mailbox.ts';
import type { Page } from '../support/person.ts';
import { newestProof, openPage, PASSWORD } from '../support/sign-up.ts';
import { addProvider, startUpstream, type TestUpstream } from '../support/upstream.ts';
import { answerOf, departFrom, lastEvents, stored, visitUpstream } from '../support/upstream-visit.ts';

let count = 0;

describe('A provider that vouches for the address of an account here', () => {
  let server: TestServer;
  let client: TestClient;
  let upstream: TestUpstream;
  let person: Awaited<ReturnType<TestServer['createPerson']>>;

  before(async () => {
    server = await startTestServer();
    client = await server.createClient();
    upstream = await startUpstream();
  });
  beforeEach(async () => {
    await addProvider(server, upstream);
    person = await server.createPerson();
    count += 1;
    upstream.person = { sub: `far-${count}`, email: person.email.toUpperCase(), email_verified: true, name: '여행자' };
  });
  after(async () => {
    await server.close();
    await upstream.close();
  });

  const linksOf = async (accountId: string) =>
    (await server.sql('select subject from upstream_identity where account_id = $1', [accountId])).map(({ subject }) => subject);

  /** As far as the sign-in page, which has found the account. */
  async function arrive(): Promise<Page> {
    const before = await stored(server);
    const page = await visitUpstream(server, client);
    assert.match(page.url.pathname, /\/login$/);
    assert.match(page.html, /This email already has an account/);
    assert.match(page.html, /link your <bdi>Far<\/bdi> account/);
    assert.deepEqual(await stored(server), before, 'an address alone links nothing');
    return page;
  }

  async function assertLinked(): Promise<void> {
    assert.deepEqual(await linksOf(person.id), [upstream.person.sub]);
    const events = await lastEvents(server, 6);
    assert.deepEqual(events.find(({ type, account_id }) => type === 'identity_linked' && account_id === person.id)?.detail, {
      provider: 'far',
    });
    const letter = (await lettersTo(server, person.email)).find(({ subject }) => subject === 'Another account was linked to yours');
    assert.match(letter?.text ?? '', /Linked account at: Far/);
    // From now on it opens the account, as far as one factor does.
    assert.match((await visitUpstream(server, client)).html, /value="approve"|One more step/);
  }

  async function assertNotLinked(before: Awaited<ReturnType<typeof stored>>): Promise<void> {
    const now = await stored(server);
    assert.deepEqual({ ...now, sessions: 0, successes: 0 }, { ...before, sessions: 0, successes: 0 });
  }

  it('is linked by who signs in with the password of that account', async () => {
    const page = await arrive();
    const wrong = await page.submit({ email: person.email, password: 'not this one' });
    assert.equal(wrong.response.status, 401);
    assert.deepEqual(await linksOf(person.id), []);
    assert.match((await wrong.submit({ email: person.email, password: person.password })).html, /value="approve"/);
    await assertLinked();
  });

  it('is linked by who signs in with a passkey', async () => {
    const { authenticator } = await addPasskey(server, person);
    const page = await arrive();
    const path = `/interaction/${page.url.pathname.split('/')[2]}/passkey`;
    const credential = await authenticator.get(await options(page.person, path));
    const body = new URLSearchParams({ csrf: String(page.form().hidden['csrf']), credential });
    assert.match((await page.person.open(path, { method: 'POST', body })).html, /value="approve"/);
    await assertLinked();
  });

  it('is linked by who sets a new password by mail on the way', async () => {
    const reset = await openPage(await arrive(), 'reset');
    const code = await reset.submit({ email: person.email });
    const chosen = await code.submit({ code: (await newestProof(server, person.email)).code });
    assert.match((await chosen.submit({ password: PASSWORD })).html, /value="approve"/);
    await assertLinked();
  });

  it('is linked by who signs in with another provider, such as somebody without a password', async () => {
    const near = await startUpstream('oauth2');
    await addProvider(server, near, { id: 'near', name: 'Near' });
    await server.sql("insert into upstream_identity (id, provider_id, subject, account_id, details) values ($1, 'near', $2, $1, '{}')", [
      person.id,
      near.person.sub,
    ]);
    await server.sql('update user_account set password_hash = null where id = $1', [person.id]);
    const away = await departFrom(await arrive(), 'near');
    assert.match((await away.person.open((await answerOf(away)).href)).html, /value="approve"/);
    assert.deepEqual((await linksOf(person.id)).sort(), [near.person.sub, upstream.person.sub].sort());
    await server.sql("delete from upstream_provider where id = 'near'");
    await near.close();
  });

  it('is linked only when the second factor of that account was shown too', async () => {
    const { secret } = await addTotp(server, person);
    await forgetSteps(server, person.id);
    const owed = await (await arrive()).submit({ email: person.email, password: person.password });
    assert.match(owed.html, /name="code"/);
    assert.deepEqual(await linksOf(person.id), []);
    assert.equal((await owed.submit({ code: '000000' })).response.status, 401);
    assert.deepEqual(await linksOf(person.id), []);
    assert.match((await owed.submit({ code: totpCode(secret) })).html, /value="approve"/);
    assert.deepEqual(await linksOf(person.id), [upstream.person.sub]);
  });

  it('is not linked to anybody else who signs in on that page', async () => {
    const other = await server.createPerson();
    const before = await stored(server);
    assert.match((await (await arrive()).submit({ email: other.email, password: other.password })).html, /value="approve"/);
    await assertNotLinked(before);
  });

  it('is not linked by who says so, and then signs in', async () => {
    const before = await stored(server);
    const page = await (await arrive()).submit({ decision: 'leave' });
    assert.doesNotMatch(page.html, /This email already has an account/);
    assert.match((await page.submit({ email: person.email, password: person.password })).html, /value="approve"/);
    await assertNotLinked(before);
  });

  it('waits for nobody in another authorization, of the same browser too', async () => {
    const { person: browser } = await arrive();
    const before = await stored(server);
    const page = await browser.open(`/account`);
    assert.doesNotMatch(page.html, /This email already has an account/);
    await page.submit({ email: person.email, password: person.password });
    await assertNotLinked(before);
  });

  it('is not linked where it has become somebody else’s in the meantime: its person is signed in without', async () => {
    const page = await arrive();
    const other = await server.createPerson();
    await server.sql("insert into upstream_identity (id, provider_id, subject, account_id, details) values ($1, 'far', $1, $2, '{}')", [
      upstream.person.sub,
      other.id,
    ]);
    const before = await stored(server);
    assert.match((await page.submit({ email: person.email, password: person.password })).html, /value="approve"/);
    await assertNotLinked(before);
    assert.deepEqual(await linksOf(other.id), [upstream.person.sub]);
  });

  it('is told that the account has another of that provider, and nothing changes', async () => {
    await (await arrive()).submit({ email: person.email, password: person.password });
    const [first] = await linksOf(person.id);
    upstream.person = { ...upstream.person, sub: `${upstream.person.sub}-other` };
    const before = await stored(server);
    const page = await visitUpstream(server, client);
    assert.equal(page.response.status, 409);
    assert.match(page.html, /is linked to another <bdi>Far<\/bdi> account/);
    await assertNotLinked(before);
    assert.deepEqual(await linksOf(person.id), [first]);
  });

  it('opens nothing where that account is disabled', async () => {
    await server.sql('update user_account set disabled_at = now() where id = $1', [person.id]);
    const before = await stored(server);
    const page = await visitUpstream(server, client);
    assert.equal(page.response.status, 401);
    assert.match(page.html, /You cannot sign in here with this/);
    assert.deepEqual(await stored(server), before);
  });
});
