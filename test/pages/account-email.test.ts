import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { eventsOf, openAccount, send } from '../support/account.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { lettersTo, proofIn } from '../support/mailbox.ts';
import { Person } from '../support/person.ts';
import { countRows, passAMinute, unchanged } from '../support/storage.ts';

describe('Changing the email', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  const PATH = '/account/email';
  let count = 0;
  const unused = () => `new.${++count}@people.example`;
  const emailOf = async (id: string) => (await server.sql('select email, email_verified from user_account where id = $1', [id]))[0];
  const codeFor = async (email: string) => String(proofIn((await lettersTo(server, email)).at(-1) ?? assert.fail('no letter')).code);

  async function asked(email = unused()) {
    const person = await server.createPerson({ emailVerified: false });
    const page = await send(await openAccount(server, person, PATH), PATH, { email });
    assert.equal(page.url.pathname + page.url.search, PATH);
    return { person, email, page };
  }

  it('takes the code that was sent to the new one, and tells the old one', async () => {
    const { person, email, page } = await asked('  New.Address@People.Example ');
    assert.match(page.html, /we sent a code to <strong><bdi>new\.address@people\.example<\/bdi>/);
    assert.deepEqual(await emailOf(person.id), { email: person.email, email_verified: false });
    const done = await send(page, PATH, { code: await codeFor(email.trim().toLowerCase()) });
    assert.equal(done.url.search, '?done');
    assert.deepEqual(await emailOf(person.id), { email: 'new.address@people.example', email_verified: true });
    assert.deepEqual(await eventsOf(server, person.id), ['email_changed']);
    const [notice] = await lettersTo(server, person.email);
    assert.match(String(notice?.subject), /Your email was changed/);
    assert(!notice?.text.includes('new.address@people.example'), 'the old mailbox is not told the whole of it');
    const stranger = await new Person(server.issuer).open('/account');
    assert.equal((await stranger.submit(person)).response.status, 401);
    assert.equal((await stranger.submit({ email: 'NEW.ADDRESS@people.example', password: person.password })).url.pathname, '/account');
  });

  it('takes the link too, where the same person is signed in: not by opening it, and by nobody else', async () => {
    const { person, email, page } = await asked();
    const link = new URL(String(proofIn((await lettersTo(server, email))[0] ?? assert.fail()).link));
    const stranger = await openAccount(server, await server.createPerson(), PATH);
    const foreign = await unchanged(server, () => stranger.person.open(link.pathname + link.search));
    assert.match(foreign.html, /no longer works/);
    assert.equal(
      (await unchanged(server, () => send(stranger, PATH, { token: String(link.searchParams.get('token')) }))).response.status,
      422,
    );
    const opened = await unchanged(server, () => page.person.open(link.pathname + link.search));
    assert(opened.html.includes(email));
    assert.equal((await opened.submit({})).url.search, '?done');
    assert.equal((await emailOf(person.id))?.['email'], email);
    assert.equal((await unchanged(server, () => opened.submit({}))).url.search, '?done', 'a second press');
    await passAMinute(server);
    assert.equal((await unchanged(server, () => opened.submit({}))).response.status, 422);
  });

  it('looks at five codes, and says how many tries are left', async () => {
    const { person, email, page } = await asked();
    const right = await codeFor(email);
    const wrong = right === '00000000' ? '00000001' : '00000000';
    for (const [code, left] of [
      [wrong, 'You have 4 attempts left'],
      ['', 'You have 3 attempts left'],
      ['\u202ex', 'You have 2 attempts left'],
      ['9'.repeat(9_000), 'You have one attempt left'],
      [wrong, 'You have no attempts left'],
    ] as const) {
      const answer = await send(page, PATH, { code });
      assert.equal(answer.response.status, 422);
      assert(answer.html.includes(left), left);
    }
    const late = await send(page, PATH, { code: right });
    assert.equal(late.response.status, 422);
    assert.match(late.html, /no longer works/);
    assert.deepEqual(await emailOf(person.id), { email: person.email, email_verified: false });
  });

  it('looks at five codes of any number at once, and of the right one at once one counts', async () => {
    const { email, page, person } = await asked();
    const code = await codeFor(email);
    const answers = await Promise.all(Array.from({ length: 8 }, () => send(page, PATH, { code })));
    assert(answers.every(({ url }) => url.search === '?done'));
    assert.equal((await eventsOf(server, person.id)).length, 1);
    assert.equal((await lettersTo(server, person.email)).length, 1);
  });

  it('refuses what is no address, and the one it is already', async () => {
    const person = await server.createPerson();
    const page = await openAccount(server, person, PATH);
    for (const email of [
      '',
      'nobody',
      'a@b',
      'a b@people.example',
      'a@people.example, b@people.example',
      'a@people.example\r\nBcc: x@y.example',
      '\u202ea@people.example',
      `${'x'.repeat(400)}@people.example`,
      '<b>@people.example',
      person.email.toUpperCase(),
    ]) {
      const answer = await unchanged(server, () => send(page, PATH, { email }));
      assert.equal(answer.response.status, 422, email);
      assert.match(answer.html, /id="email"[^>]*aria-invalid="true"/);
    }
  });

  it('says nothing of whether somebody else has an address: no code comes, and none fits', async () => {
    const other = await server.createPerson();
    const { person, page } = await asked(other.email);
    const free = await asked();
    const plain = (html: string) => html.replace(/value="[^"]*"|<bdi>[^<]*<\/bdi>/g, '');
    assert.equal(plain(page.html), plain(free.page.html));
    assert.deepEqual(await lettersTo(server, other.email), []);
    assert.equal((await send(page, PATH, { code: '12345678' })).response.status, 422);
    assert.equal((await emailOf(person.id))?.['email'], person.email);
  });

  it('comes to nothing when somebody else has taken the address in the meantime', async () => {
    const { person, email, page } = await asked();
    const code = await codeFor(email);
    await server.createPerson({ email });
    const answer = await send(page, PATH, { code });
    assert.equal(answer.response.status, 422);
    assert.equal((await emailOf(person.id))?.['email'], person.email);
    assert.deepEqual(await eventsOf(server, person.id), []);
    assert.deepEqual(await lettersTo(server, person.email), []);
  });

  it('forgets the code before when another is asked for, when it is given up, and when it has expired', async () => {
    const { person, email, page } = await asked();
    const first = await codeFor(email);
    const second = unused();
    await send(await send(page, PATH, { other: 'yes' }), PATH, { email: second });
    if (first !== (await codeFor(second))) assert.equal((await send(page, PATH, { code: first })).response.status, 422);
    await server.sql(`update one_time_token set expires_at = now() where account_id = $1`, [person.id]);
    assert.equal((await send(page, PATH, { code: await codeFor(second) })).response.status, 422);
    assert.equal(await countRows(server, 'one_time_token where account_id = $1', [person.id]), 1);
    assert.equal((await emailOf(person.id))?.['email'], person.email);
  });

  it('sends six mails an hour to an address at most', async () => {
    const email = unused();
    const { page } = await asked(email);
    const ask = async () => send(await page.person.open(PATH), PATH, { email });
    for (let n = 0; n < 5; n++) await ask();
    const answer = await ask();
    assert.equal(answer.response.status, 429);
    assert.equal((await lettersTo(server, email)).length, 6);
  });
});
