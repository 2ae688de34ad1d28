import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { eventsOf, openAccount, send } from '../support/account.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { addPasskey, addTotp, forgetSteps, makeRecoveryCodes, totpCode } from '../support/factors.ts';
import { authorizePath, type Credentials, introspect, obtainTokens, pkce, type TestClient } from '../support/flow.ts';
import { allLettersTo } from '../support/mailbox.ts';
import { type Page, Person } from '../support/person.ts';
import { makeClient } from '../support/portal.ts';
import { beginReset, newestProof } from '../support/sign-up.ts';
import { countRows, passAMinute, unchanged } from '../support/storage.ts';

const NEW = 'a lantern for the new gate';

describe('The link "This was not me"', () => {
  let server: TestServer;
  let client: TestClient;
  before(async () => {
    server = await startTestServer();
    client = await server.createClient({ client_name: 'Moonlight' });
  });
  after(() => server.close());

  type Someone = Credentials & { id: string };

  /** The link in the newest letter to an address, or in the newest of a subject. */
  async function linkTo(email: string, subject = /./): Promise<string> {
    const letter = (await allLettersTo(server, email)).findLast(
      (one) => subject.test(one.subject) && one.text.includes('/account/not-me?'),
    );
    const link = /https?:\/\/\S+\/account\/not-me\?token=\S+/.exec(String(letter?.text))?.[0];
    assert(link, `a letter to ${email} about ${subject}`);
    return link;
  }

  const open = (link: string) => new Person(server.issuer).open(link);
  const signsIn = async ({ email, password }: Credentials) =>
    (await (await new Person(server.issuer).open('/account')).submit({ email, password })).response.status !== 401;
  const emailOf = async (id: string) => (await server.sql('select email from user_account where id = $1', [id]))[0]?.['email'];
  const namesOn = (page: Page) => [...page.html.matchAll(/name="keep" value="([^"]+)"/g)].map(([, name]) => String(name));

  /** Somebody, and a browser of an intruder who knows the password. */
  async function intruded(): Promise<{ person: Someone; intruder: Person }> {
    const person = await server.createPerson();
    await server.sql(`update user_account set mailbox_proven_at = now() - interval '1 day' where id = $1`, [person.id]);
    const intruder = new Person(server.issuer);
    await openAccount(server, person, '/account', intruder);
    return { person, intruder };
  }

  async function changeEmail(person: Credentials, browser: Person, email: string): Promise<void> {
    const page = await send(await openAccount(server, person, '/account/email', browser), '/account/email', { email });
    const { code } = await newestProof(server, email);
    assert.equal((await send(page, '/account/email', { code })).url.search, '?done');
  }

  it('in the letter of a new device signs out every browser and app, and asks for a new password', async () => {
    const { person, intruder } = await intruded();
    const tokens = await obtainTokens(server, client, person);
    const page = await open(await linkTo(person.email, /new device/));
    assert.match(page.html, /A new device signed in/);
    const done = await page.submit({ password: NEW });
    assert.equal(done.response.status, 200);
    assert.match(done.html, /You have your account back/);
    assert.doesNotMatch(done.html, /<form/);
    assert.match((await intruder.open('/account')).html, /name="password"/);
    assert.equal((await introspect(server, client, tokens.access_token))['active'], false);
    assert.equal(await countRows(server, 'grant_record where account_id = $1', [person.id]), 0);
    assert.deepEqual(await eventsOf(server, person.id), ['account_given_back']);
    assert.deepEqual([await signsIn(person), await signsIn({ ...person, password: NEW })], [false, true]);
    assert.match(
      String((await allLettersTo(server, person.email)).findLast(({ subject }) => /recovered/.test(subject))?.text),
      /password was changed/,
    );
  });

  it('brings the address of before back, and tells both addresses', async () => {
    const { person, intruder } = await intruded();
    const theirs = `thief.${person.email}`;
    await changeEmail(person, intruder, theirs);
    const link = await linkTo(person.email, /email was changed/);
    const page = await open(link);
    assert.match(page.html, /Your account has this email address again/);
    assert(!page.html.includes(theirs));
    await page.submit({ password: NEW });
    assert.equal(await emailOf(person.id), person.email);
    assert.match((await intruder.open('/account')).html, /name="password"/);
    assert.equal(await signsIn({ email: theirs, password: person.password }), false);
    assert.equal(await signsIn({ email: theirs, password: NEW }), false);
    assert.equal(await signsIn({ ...person, password: NEW }), true);
    for (const email of [person.email, theirs]) {
      const letter = (await allLettersTo(server, email)).findLast(({ subject }) => /recovered/.test(subject));
      assert(letter && !letter.text.includes('/account/not-me'), 'no link that takes it away again');
    }
  });

  it('of an earlier letter survives what the intruder does next: another password, another address, a reset and a link of theirs', async () => {
    const { person, intruder } = await intruded();
    const first = await linkTo(person.email, /new device/);
    const [theirs, another] = [`thief.${person.email}`, `accomplice.${person.email}`];
    await changeEmail(person, intruder, theirs);
    const page = await openAccount(server, person, '/account/password', intruder);
    await send(page, '/account/password', { current: person.password, new: 'the password of a thief' });
    const thief = { email: theirs, password: 'the password of a thief' };
    const look = await beginReset(server, client, theirs);
    await (await look.submit({ code: (await newestProof(server, theirs)).code })).submit({ password: thief.password });
    const browser = new Person(server.issuer);
    await changeEmail(thief, browser, another);
    const thiefs = await linkTo(theirs, /email was changed/);
    await (await open(first)).submit({ password: NEW });
    assert.equal(await emailOf(person.id), person.email);
    assert.equal(await signsIn({ ...person, password: NEW }), true);
    for (const link of [thiefs, first]) {
      const refused = await unchanged(server, () => open(link));
      assert.equal(refused.response.status, 400);
      assert.match(refused.html, /This link no longer works/);
    }
    assert.equal(await emailOf(person.id), person.email);
  });

  it('removes a factor that was added, with what came after it, unless the user keeps it', async () => {
    const { person, intruder } = await intruded();
    await addTotp(server, person, intruder);
    const link = await linkTo(person.email, /authenticator app was added/);
    await addPasskey(server, person, intruder);
    await makeRecoveryCodes(intruder);
    const page = await open(link);
    assert.deepEqual(
      namesOn(page).map((name) => name.split(' ')[0]),
      ['passkey', 'totp', 'recovery_codes'],
    );
    const [passkey = ''] = namesOn(page);
    await page.submit({ password: NEW, keep: passkey });
    for (const [table, rows] of [
      ['passkey', 1],
      ['totp_factor', 0],
      ['recovery_code', 0],
    ] as const)
      assert.equal(await countRows(server, `${table} where account_id = $1`, [person.id]), rows, table);
  });

  it('leaves what was there before the change', async () => {
    const person = await server.createPerson();
    const { secret, person: own } = await addTotp(server, person);
    await makeRecoveryCodes(own);
    await new Promise((resolve) => setTimeout(resolve, 5));
    const elsewhere = await (await new Person(server.issuer).open('/account')).submit(person);
    assert.match(elsewhere.html, /One more step/);
    await (await open(await linkTo(person.email, /new device/))).submit({ password: NEW });
    assert.equal(await countRows(server, 'recovery_code where account_id = $1', [person.id]), 10);
    await forgetSteps(server, person.id);
    const factor = await (await new Person(server.issuer).open('/account')).submit({ ...person, password: NEW });
    assert.equal((await factor.submit({ code: totpCode(secret) })).url.pathname, '/account');
  });

  it('takes back a scheduled deletion', async () => {
    const { person, intruder } = await intruded();
    await send(await openAccount(server, person, '/account/delete', intruder), '/account/delete', { certain: 'yes' });
    await (await open(await linkTo(person.email, /will be deleted/))).submit({ password: NEW });
    const [account] = await server.sql('select delete_after from user_account where id = $1', [person.id]);
    assert.equal(account?.['delete_after'], null);
    assert.equal((await openAccount(server, { ...person, password: NEW }, '/account')).response.status, 200);
  });

  it('puts out a co-owner, ends an invitation, and removes a client secret', async () => {
    const { person, intruder } = await intruded();
    const accomplice = await server.createPerson();
    const { client_id: id } = await makeClient(server, person, {}, intruder);
    await server.sql(`update client_secret set created_at = now() - interval '2 days' where client_id = $1`, [id]);
    const path = `/developer/clients/${id}`;
    await send(await openAccount(server, person, `${path}/owners`, intruder), `${path}/owners`, { email: accomplice.email });
    const invited = await linkTo(person.email, /invited an owner/);
    await send(await openAccount(server, person, `${path}/secrets`, intruder), `${path}/secrets`, { action: 'make', overlap: '24' });
    assert.match(await linkTo(person.email, /client secret was created/), /token=/);
    const offers = await openAccount(server, accomplice, '/developer/invitations');
    await send(offers, '/developer/invitations', { invitation: String(offers.form().hidden['invitation']), answer: 'accept' });
    const joined = (await allLettersTo(server, person.email)).findLast(({ subject }) => /has a new owner/.test(subject));
    assert(joined?.text.includes(accomplice.email));
    await (await open(invited)).submit({ password: NEW });
    assert.deepEqual(
      (await server.sql('select account_id from client_owner where client_id = $1', [id])).map(({ account_id }) => account_id),
      [person.id],
    );
    assert.equal(await countRows(server, 'client_secret where client_id = $1', [id]), 1);
  });

  it('does nothing when it is opened, however often, and by whomever', async () => {
    const { person } = await intruded();
    const link = await linkTo(person.email);
    const stranger = (await openAccount(server, await server.createPerson())).person;
    await unchanged(server, async () => {
      for (let scanned = 0; scanned < 3; scanned++) await open(link);
      await stranger.open(link);
    });
    assert.equal(await signsIn(person), true);
  });

  it('pressed by somebody who is signed in as another, gives back the account of the letter and touches no other', async () => {
    const { person } = await intruded();
    const other = await server.createPerson();
    const browser = (await openAccount(server, other)).person;
    await (await browser.open(await linkTo(person.email))).submit({ password: NEW });
    assert.deepEqual([await signsIn({ ...person, password: NEW }), await signsIn(other)], [true, true]);
    assert.equal((await browser.open('/account')).url.pathname, '/account', 'still signed in');
  });

  it('refuses a password that may not be chosen, and stays good', async () => {
    const { person } = await intruded();
    let page = await open(await linkTo(person.email));
    for (const password of ['', 'short', 'password', person.email, 'x'.repeat(1_025)]) {
      page = await unchanged(server, () => page.submit({ password }));
      assert.equal(page.response.status, 400, password);
      assert.match(page.html, /aria-invalid="true"/);
    }
    assert.equal((await page.submit({ password: NEW })).response.status, 200);
  });

  it('works once: twice from one page it says the same, later and elsewhere that it was used', async () => {
    const { person } = await intruded();
    const link = await linkTo(person.email);
    const [page, other] = [await open(link), await open(link)];
    assert.match((await page.submit({ password: NEW })).html, /You have your account back/);
    assert.match((await unchanged(server, () => page.submit({ password: NEW }))).html, /You have your account back/, 'a second press');
    assert.equal((await unchanged(server, () => other.submit({ password: `${NEW} too` }))).response.status, 400);
    await passAMinute(server);
    assert.equal((await unchanged(server, () => page.submit({ password: NEW }))).response.status, 400);
  });

  it('of 20 presses at once gives the account back once', async () => {
    const { person } = await intruded();
    const link = await linkTo(person.email);
    const pages = await Promise.all(Array.from({ length: 20 }, () => open(link)));
    const answers = await Promise.all(pages.map((page, n) => page.submit({ password: `${NEW} ${n}` })));
    const right = answers.findIndex(({ response }) => response.status === 200);
    assert.equal(answers.filter(({ response }) => response.status === 200).length, 1);
    assert(answers.every(({ response }) => [200, 400, 503].includes(response.status)));
    assert.equal(await signsIn({ ...person, password: `${NEW} ${right}` }), true);
    assert.deepEqual(await eventsOf(server, person.id), ['account_given_back']);
  });

  it('refuses a link that is older than seven days, made up, or of a disabled account, and changes nothing', async () => {
    const { person } = await intruded();
    const link = await linkTo(person.email);
    const page = await open(link);
    const [row] = await server.sql(
      'select round(extract(epoch from expires_at - created_at)) as life from not_me_link where account_id = $1',
      [person.id],
    );
    assert.equal(Number(row?.['life']), 7 * 24 * 3_600);
    const refused = async (at: string) => {
      const answer = await unchanged(server, () => open(at));
      assert.equal(answer.response.status, 400, at);
      assert.match(answer.html, /This link no longer works/);
    };
    for (const made of ['', '?token=', '?token=a&token=b', `?token=${'a'.repeat(9_000)}`, '?token=%00', '?token=%ED%A0%80'])
      await refused(`${server.issuer}/account/not-me${made}`);
    await server.sql('update user_account set disabled_at = now() where id = $1', [person.id]);
    await refused(link);
    assert.equal((await unchanged(server, () => page.submit({ password: NEW }), ['kept_answer'])).response.status, 400);
    await server.sql('update user_account set disabled_at = null where id = $1', [person.id]);
    await server.sql(`update not_me_link set expires_at = now() - interval '1 second' where account_id = $1`, [person.id]);
    await refused(link);
    await passAMinute(server);
    assert.equal((await unchanged(server, () => page.submit({ password: NEW }), ['kept_answer'])).response.status, 400);
    assert.equal(await signsIn(person), true);
  });

  it('takes its form from its own page alone', async () => {
    const [{ person }, { person: other }] = [await intruded(), await intruded()];
    const [page, foreign] = [await open(await linkTo(person.email)), await open(await linkTo(other.email))];
    const fields = { password: NEW };
    for (const csrf of ['', 'guessed', String(foreign.form().hidden['csrf'])])
      assert.equal((await unchanged(server, () => page.submit({ ...fields, csrf }))).response.status, 403, csrf);
    assert.equal((await unchanged(server, () => page.submit(fields, { 'sec-fetch-site': 'cross-site' }))).response.status, 403);
    assert.equal((await unchanged(server, () => page.submit(fields, { origin: 'https://evil.example' }))).response.status, 403);
    assert.equal(
      (await unchanged(server, () => page.submit({ ...fields, token: String(foreign.form().hidden['token']) }))).response.status,
      403,
    );
  });

  it('says so when the address of before is another account by now, and changes nothing', async () => {
    const { person, intruder } = await intruded();
    await changeEmail(person, intruder, `thief.${person.email}`);
    const page = await open(await linkTo(person.email, /email was changed/));
    const { email } = await server.createPerson({ email: person.email });
    const refused = await unchanged(server, () => page.submit({ password: NEW }));
    assert.equal(refused.response.status, 409);
    assert.match(refused.html, /Another account uses this address now/);
    assert.equal(email, person.email);
  });

  it('is ended by a reset of the same mailbox, and is nothing that the database gives away', async () => {
    const { person } = await intruded();
    const link = await linkTo(person.email);
    const secret = String(new URL(link).searchParams.get('token'));
    const rows = await server.sql(`select t::text as line from not_me_link t union all select t::text from mail t`);
    assert(!rows.some(({ line }) => String(line).includes(secret)));
    const look = await beginReset(server, client, person.email);
    await (await look.submit({ code: (await newestProof(server, person.email)).code })).submit({ password: NEW });
    assert.equal((await open(link)).response.status, 400);
    assert.match(await linkTo(person.email, /password was changed/), /token=/, 'the reset has a link of its own');
  });

  describe('and the letter of a new device', () => {
    const lettersOf = async ({ email }: Credentials) =>
      (await allLettersTo(server, email)).filter(({ subject }) => subject === 'A new device signed in to your account').length;
    const signIn = async (person: Credentials, browser = new Person(server.issuer)) => {
      await (await browser.open(authorizePath(client, { ...pkce(), code_verifier: undefined, prompt: 'login' }))).submit(person);
      return browser;
    };

    it('comes once for each browser, to its own account, and not for who signed up or reset there', async () => {
      const [person, other] = [await server.createPerson(), await server.createPerson()];
      const browser = await signIn(person);
      assert.equal(await lettersOf(person), 1);
      await signIn(person, browser);
      assert.equal(await lettersOf(person), 1, 'a known browser');
      await signIn(other, browser);
      assert.deepEqual([await lettersOf(person), await lettersOf(other)], [1, 1], 'known to another account');
      await signIn(person, browser);
      assert.equal(await lettersOf(person), 1, 'still known');
      await signIn(person);
      assert.equal(await lettersOf(person), 2);
      const look = await beginReset(server, client, other.email);
      await (await look.submit({ code: (await newestProof(server, other.email)).code })).submit({ password: NEW });
      await signIn({ ...other, password: NEW }, look.person);
      assert.equal(await lettersOf(other), 1, 'the reset has a letter of its own');
      await signIn({ ...other, password: NEW }, browser);
      assert.equal(await lettersOf(other), 2, 'a reset makes every other browser a new one');
    });

    it('does not come for a wrong password, and no more than ten times a day', async () => {
      const person = await server.createPerson();
      await signIn({ ...person, password: 'not this one' });
      assert.equal(await lettersOf(person), 0);
      for (let n = 0; n < 12; n++) await signIn(person);
      assert.equal(await lettersOf(person), 10);
    });

    it('is not kept away by a cookie that we did not sign, or of another browser with its name', async () => {
      const [person, other] = [await server.createPerson(), await server.createPerson()];
      const known = await signIn(other);
      const [mark] = known.cookies().filter((cookie) => /^device=/.test(cookie));
      assert(mark && !mark.includes(other.id), 'the cookie names no account');
      const forged = new Person(server.issuer);
      forged.setCookie('device', `${mark.slice(7)}.${'a'.repeat(22)}-${Date.now().toString(36)}`);
      await signIn(person, forged);
      assert.equal(await lettersOf(person), 1);
    });
  });
});
