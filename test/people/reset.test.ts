import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { authorizePath, type Credentials, callApi, introspect, obtainTokens, pkce, refresh, type TestClient } from '../support/flow.ts';
import { lettersTo } from '../support/mailbox.ts';
import { type Page, Person } from '../support/person.ts';
import { askAgain, beginReset, beginSignUp, newcomer, newestProof, openPage, openSignIn, wrongOf } from '../support/sign-up.ts';
import { countRows } from '../support/storage.ts';

const NEW = 'a lantern for the new gate';

describe('Resetting a forgotten password (OWASP forgot password)', () => {
  let server: TestServer;
  let client: TestClient;
  before(async () => {
    server = await startTestServer();
    client = await server.createClient({ client_name: 'Moonlight' });
  });
  after(() => server.close());

  const hashOf = async (email: string) =>
    (await server.sql('select password_hash from user_account where email = $1', [email]))[0]?.['password_hash'];
  const signsIn = async ({ email, password }: Credentials) =>
    (await (await openSignIn(server, client, { prompt: 'login' })).submit({ email, password })).response.status !== 401;

  async function toNewPassword(email: string): Promise<Page> {
    const look = await beginReset(server, client, email);
    const page = await look.submit({ code: (await newestProof(server, email)).code });
    assert.match(page.url.pathname, /\/reset\/password$/);
    return page;
  }

  it('leads by the code to a new password and on to the client; every session, grant and token of before is dead', async () => {
    const person = await server.createPerson({ emailVerified: false });
    const before = await obtainTokens(server, client, person, { scope: 'openid profile offline_access' });
    const page = await toNewPassword(person.email);
    assert.match(page.html, /autocomplete="new-password"/);
    assert.match(page.html, new RegExp(`autocomplete="username" value="${person.email}"`));
    const consent = await page.submit({ password: NEW });
    assert.match(consent.html, /name="decision"/, 'signed in, and asked anew');

    assert.equal((await introspect(server, client, before.access_token))['active'], false);
    assert.equal((await callApi(server, '/api/me', before.access_token)).status, 401);
    assert.equal((await refresh(server, client, String(before.refresh_token))).status, 400);
    const returning = await before.person.open(authorizePath(client, { ...pkce(), code_verifier: undefined }));
    assert.match(returning.html, /name="password"/, 'the browser of before is signed out');
    assert.equal(await signsIn(person), false);
    assert.equal(await signsIn({ ...person, password: NEW }), true);

    const { url } = await consent.submit({ decision: 'approve' });
    assert(url.searchParams.get('code'));
    assert.equal((await lettersTo(server, person.email)).at(-1)?.subject, 'Your password was changed');
    const [account] = await server.sql('select email_verified from user_account where id = $1', [person.id]);
    assert.equal(account?.['email_verified'], true, 'whoever reads its mail has the address');
    assert.equal(await countRows(server, `audit_event where type = 'password_reset' and account_id = $1`, [person.id]), 1);
  });

  it('goes on by the link in the browser that asked; to open it changes nothing', async () => {
    const person = await server.createPerson();
    const look = await beginReset(server, client, person.email);
    const { link } = await newestProof(server, person.email);
    const hash = await hashOf(person.email);
    await new Person(server.issuer).open(link);
    const page = await look.person.open(link);
    assert.equal(await hashOf(person.email), hash);
    assert.match((await page.submit({ password: NEW })).html, /name="decision"/);
    assert.notEqual(await hashOf(person.email), hash);
  });

  it('by the link in another browser sets the password there, and lets in neither of the two', async () => {
    const person = await server.createPerson();
    const look = await beginReset(server, client, person.email);
    const { link } = await newestProof(server, person.email);
    const elsewhere = new Person(server.issuer);
    const done = await (await elsewhere.open(link)).submit({ password: NEW });
    assert.equal(done.response.status, 200);
    assert.match(done.html, /You changed your password/);
    for (const path of ['reset/password', 'reset/code', 'login'])
      assert.doesNotMatch((await openPage(look, path)).html, /name="decision"|new-password/, path);
    assert.equal(await countRows(server, 'session where account_id = $1', [person.id]), 0);
    assert.equal(await signsIn({ ...person, password: NEW }), true);
  });

  it('is not to be had without the proof: by skipping a step, by another purpose’s proof, or by somebody else’s', async () => {
    const [person, attacker] = [await server.createPerson(), await server.createPerson()];
    const hash = await hashOf(person.email);
    const look = await beginReset(server, client, person.email);
    const skipped = await openPage(look, 'reset/password');
    assert.match(skipped.url.pathname, /\/reset\/code$/);
    const csrf = String(look.form().hidden['csrf']);
    const forged = await look.person.open(look.url.pathname.replace('code', 'password'), {
      method: 'POST',
      body: new URLSearchParams({ csrf, password: NEW, email: person.email }),
    });
    assert.match(forged.url.pathname, /\/reset\/code$/);
    // The code and the link of a reset of one's own.
    await beginReset(server, client, attacker.email);
    const own = await newestProof(server, attacker.email);
    assert.equal((await look.submit({ code: own.code })).response.status, 400);
    const elsewhere = await new Person(server.issuer).open(own.link);
    await elsewhere.submit({ password: NEW, email: person.email, account: person.id });
    // A proof of signing up.
    const wish = newcomer();
    await beginSignUp(server, client, wish);
    const { link } = await newestProof(server, wish.email);
    assert.match((await new Person(server.issuer).open(link.replace('/signup/', '/reset/'))).html, /no longer works/);
    assert.equal(await hashOf(person.email), hash);
    assert.equal(await countRows(server, 'session where account_id = $1', [person.id]), 0);
    assert.equal(await signsIn(person), true);
  });

  it('counts once: of 20 new passwords at once, by code and by link, one is set', async () => {
    const person = await server.createPerson();
    const page = await toNewPassword(person.email);
    const { link } = await newestProof(server, person.email);
    const linked = await new Person(server.issuer).open(link);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) => {
        const { action, hidden } = (n % 2 ? page : linked).form();
        return (n % 2 ? page : linked).person.request(action, {
          method: 'POST',
          body: new URLSearchParams({ ...hidden, password: `${NEW} ${n}` }),
        });
      }),
    );
    const goesOn = ({ status, headers }: Response) => status === 200 || /\/oauth\/authorize\//.test(headers.get('location') ?? '');
    assert.equal(answers.filter(goesOn).length, 1);
    for (const answer of answers.filter((one) => !goesOn(one))) {
      // Too late for the proof: sent back to where one is given. A busy machine sheds some before they are looked at.
      if (answer.status === 303) assert.match(String(answer.headers.get('location')), /\/reset\/code$/);
      else if (answer.status !== 503) assert.match(await answer.text(), /no longer valid|no longer works/);
    }
    const right = answers.findIndex(goesOn);
    assert.equal(await signsIn({ ...person, password: `${NEW} ${right}` }), true);
    assert.equal(await countRows(server, `audit_event where type = 'password_reset' and account_id = $1`, [person.id]), 1);
    assert.equal(await countRows(server, 'one_time_token where account_id = $1', [person.id]), 0, 'and no other proof is left');
  });

  it('refuses a password that may not be chosen, and the proof stays good', async () => {
    const person = await server.createPerson({ email: 'gildong.chosen@people.example' });
    const hash = await hashOf(person.email);
    let page = await toNewPassword(person.email);
    for (const password of ['', 'short', 'password', 'gildong.chosen', 'tab\tin the middle', 'x'.repeat(1025)]) {
      page = await page.submit({ password });
      assert.equal(page.response.status, 400, password);
      assert.match(page.html, /aria-invalid="true"/);
      assert.match(page.html, /<title>Error: /);
    }
    assert.equal(await hashOf(person.email), hash);
    assert.match((await page.submit({ password: NEW })).html, /name="decision"/);
  });

  it('ends with its 15 minutes, at each step', async () => {
    const person = await server.createPerson();
    const hash = await hashOf(person.email);
    const page = await toNewPassword(person.email);
    const { link } = await newestProof(server, person.email);
    await server.sql(`update one_time_token set expires_at = now() - interval '1 second' where account_id = $1`, [person.id]);
    assert.match((await page.submit({ password: NEW })).url.pathname, /\/reset\/code$/);
    assert.equal((await new Person(server.issuer).open(link)).response.status, 400);
    assert.equal(await hashOf(person.email), hash);
  });

  it('is void once the account has another address, or is disabled', async () => {
    for (const change of [`email = 'moved' || email`, 'disabled_at = now()']) {
      const person = await server.createPerson();
      const page = await toNewPassword(person.email);
      await server.sql(`update user_account set ${change} where id = $1`, [person.id]);
      const [before] = await server.sql('select password_hash from user_account where id = $1', [person.id]);
      assert.equal((await page.submit({ password: NEW })).response.status, 400);
      const [now] = await server.sql('select password_hash from user_account where id = $1', [person.id]);
      assert.deepEqual(now, before);
    }
  });

  it('looks the same for an address without an account, to which mail goes once a day', async () => {
    const person = await server.createPerson();
    const nobody = newcomer().email;
    let [known, unknown] = [await beginReset(server, client, person.email), await beginReset(server, client, nobody)];
    const shape = (page: Page, email: string) => ({
      status: page.response.status,
      headers: [...page.response.headers.keys()].sort(),
      html: page.html
        .replaceAll(String(page.url.pathname.split('/')[2]), 'UID')
        .replace(/name="csrf" value="[^"]+"/g, '')
        .replaceAll(email, 'EMAIL'),
    });
    assert.deepEqual(shape(known, person.email), shape(unknown, nobody));
    for (let guess = 0; guess < 6; guess++) {
      const code = wrongOf((await newestProof(server, person.email)).code);
      [known, unknown] = [await known.submit({ code }), await unknown.submit({ code })];
      assert.deepEqual(shape(known, person.email), shape(unknown, nobody));
    }
    await askAgain(unknown);
    const letters = await lettersTo(server, nobody);
    assert.deepEqual(
      letters.map(({ subject }) => subject),
      ['No account uses this email'],
    );
    assert.doesNotMatch(String(letters[0]?.text), /^ {4}\S+$/m);
  });

  it('goes on for who was asked to sign in again, in a browser that was signed in', async () => {
    const person = await server.createPerson();
    const { person: browser } = await obtainTokens(server, client, person);
    const look = await beginReset(server, client, person.email, { prompt: 'login' }, browser);
    const page = await look.submit({ code: (await newestProof(server, person.email)).code });
    const consent = await page.submit({ password: NEW });
    assert.match(consent.html, /name="decision"/, consent.html);
    assert((await consent.submit({ decision: 'approve' })).url.searchParams.get('code'));
    assert.equal(await countRows(server, 'session where account_id = $1', [person.id]), 1);
  });

  it('gives a password to an account that had none', async () => {
    const person = await server.createPerson();
    await server.sql('update user_account set password_hash = null where id = $1', [person.id]);
    assert.equal(await signsIn(person), false);
    await (await toNewPassword(person.email)).submit({ password: NEW });
    assert.equal(await signsIn({ ...person, password: NEW }), true);
  });
});
