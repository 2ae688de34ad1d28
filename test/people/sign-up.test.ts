import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { callApi, pkce, redeem, type TestClient, type Tokens } from '../support/flow.ts';
import { lettersTo } from '../support/mailbox.ts';
import { type Page, Person } from '../support/person.ts';
import { askAgain, beginSignUp, newcomer, newestProof, openPage, openSignIn, PASSWORD, wrongOf } from '../support/sign-up.ts';
import { countRows, unchanged } from '../support/storage.ts';

describe('Signing up', () => {
  let server: TestServer;
  let client: TestClient;
  before(async () => {
    server = await startTestServer();
    client = await server.createClient({ client_name: 'Moonlight' });
  });
  after(() => server.close());

  const accounts = (email: string) =>
    server.sql('select id, email, email_verified, username, name, locale, password_hash from user_account where email = $1', [email]);
  const assertConsent = (page: Page, email: string) => {
    assert.match(page.html, /name="decision"/, page.html);
    assert(page.html.includes(email), 'signed in as who signed up');
  };

  it('leads by the code from the request to a token, and the address is proven', async () => {
    const { code_verifier, ...challenge } = pkce();
    const wish = newcomer({ email: 'Walk.Er+list@People.Example' });
    const signIn = await openSignIn(server, client, { ...challenge, scope: 'openid profile email' });
    assert.match(signIn.html, /href="\/interaction\/[^/"]+\/signup"/);
    const look = await (await openPage(signIn, 'signup')).submit(wish);
    assert.match(look.html, /autocomplete="one-time-code"/);
    assert.match(look.html, /inputmode="numeric"/);
    const email = 'walk.er+list@people.example';
    assert.deepEqual(await accounts(email), [], 'no account before the address is proven');
    const consent = await look.submit({ code: (await newestProof(server, email)).code });
    assertConsent(consent, email);
    const [account] = await accounts(email);
    assert.equal(account?.['email_verified'], true);
    assert.equal(account?.['username'], 'walk.er');
    assert.equal(account?.['locale'], 'en');
    const { url } = await consent.submit({ decision: 'approve', scope: consent.optionalScopes });
    const answer = await redeem(server, client, {
      code: String(url.searchParams.get('code')),
      code_verifier,
      redirect_uri: client.redirect_uri,
    });
    const userinfo = await callApi(server, '/oauth/userinfo', ((await answer.json()) as Tokens).access_token);
    const claims = (await userinfo.json()) as Record<string, unknown>;
    assert.deepEqual([claims['email'], claims['email_verified'], claims['name']], [email, true, '홍길동']);
    const events = await server.sql('select type from audit_event where account_id = $1 order by at, id', [account?.['id']]);
    assert.deepEqual(
      events.slice(0, 2).map(({ type }) => type),
      ['signed_up', 'signed_in'],
    );
    assertConsent(await (await openSignIn(server, client, { prompt: 'consent' })).submit({ email, password: PASSWORD }), email);
  });

  it('goes on by the link in the browser that asked; to open the link proves nothing', async () => {
    const wish = newcomer();
    const look = await beginSignUp(server, client, wish);
    const { link } = await newestProof(server, wish.email);
    for (let scanned = 0; scanned < 3; scanned++) await new Person(server.issuer).open(link);
    assert.deepEqual(await accounts(wish.email), []);
    const button = await look.person.open(link);
    assert.match(button.html, /Is this you\?/);
    assertConsent(await button.submit({}), wish.email);
    assert.equal((await accounts(wish.email)).length, 1);
  });

  /** Confirms a sign-up by its link, in a browser that did not ask for it. */
  async function confirmElsewhere(email: string, password = 'a lamp of my own choice'): Promise<Page> {
    const page = await new Person(server.issuer).open((await newestProof(server, email)).link);
    assert.match(page.html, /autocomplete="new-password"/);
    return page.submit({ password });
  }

  it('confirmed in another browser it takes a password there, and signs in neither of the two', async () => {
    for (const goOn of [(look: Page) => look.person.open(look.url.pathname), (look: Page) => look.submit({ code: '0' }), askAgain]) {
      const wish = newcomer();
      const look = await beginSignUp(server, client, wish);
      const done = await confirmElsewhere(wish.email);
      assert.equal(done.response.status, 200);
      assert.match(done.html, /Sign in there with your new password/);
      const [account] = await accounts(wish.email);
      assert.equal(account?.['name'], wish.name);
      assert.equal(await countRows(server, 'session where account_id = $1', [account?.['id']]), 0);
      const asker = await goOn(look);
      assert.match(asker.url.pathname, /\/login$/);
      assert(asker.html.includes(wish.email), 'the address is filled in');
      assert.equal((await asker.submit(wish)).response.status, 401, 'what the asker chose opens nothing');
      assertConsent(await asker.submit({ email: wish.email, password: 'a lamp of my own choice' }), wish.email);
    }
  });

  it('in another browser a password that may not be chosen is refused, and the link stays good', async () => {
    const wish = newcomer();
    await beginSignUp(server, client, wish);
    const page = await new Person(server.issuer).open((await newestProof(server, wish.email)).link);
    for (const password of ['', 'short', 'password', wish.email, 'x'.repeat(1_025)]) {
      const refused = await unchanged(server, () => page.submit({ password }));
      assert.equal(refused.response.status, 400, password);
      assert.match(refused.html, /aria-invalid="true"/);
    }
    assert.deepEqual(await accounts(wish.email), []);
    assert.equal((await page.submit({ password: 'a lamp of my own choice' })).response.status, 200);
    assert.equal((await accounts(wish.email)).length, 1);
  });

  it('confirmed in 20 other browsers at once, and by the code, there is one account, which the asker is in by the code alone', async () => {
    const wish = newcomer();
    const look = await beginSignUp(server, client, wish);
    const { code, link } = await newestProof(server, wish.email);
    const pages = await Promise.all(Array.from({ length: 20 }, () => new Person(server.issuer).open(link)));
    const answers = await Promise.all([
      look.submit({ code }),
      ...pages.map((page, n) => page.submit({ password: `a lamp of browser ${n}` })),
    ]);
    assert(answers.every(({ response }) => response.status < 500 || response.status === 503));
    const [account, ...more] = await accounts(wish.email);
    assert(account && !more.length);
    const askerIn = (await countRows(server, 'session where account_id = $1', [account['id']])) > 0;
    const [byAsker] = [(await (await openSignIn(server, client)).submit(wish)).response.status !== 401];
    assert.equal(askerIn, byAsker, 'either it is the asker, by code and password, or somebody else');
  });

  it('takes a code as people type it, five times; the right one is refused after that, and a new mail begins anew', async () => {
    const wish = newcomer();
    let look = await beginSignUp(server, client, wish);
    const { code } = await newestProof(server, wish.email);
    for (const left of [4, 3, 2, 1, 0]) {
      look = await look.submit({ code: wrongOf(code) });
      assert.equal(look.response.status, 400);
      assert.match(look.html, left ? new RegExp(left === 1 ? 'one attempt left' : `${left} attempts left`) : /no attempts left/);
    }
    look = await look.submit({ code });
    assert.match(look.html, /no longer works/);
    assert.deepEqual(await accounts(wish.email), []);
    look = await askAgain(look);
    const next = await newestProof(server, wish.email);
    assert.notEqual(next.code, code);
    assertConsent(await look.submit({ code: ` ${next.code.slice(0, 4)} ${next.code.slice(4)}－` }), wish.email);
  });

  it('looks at five codes and no more, when 40 are tried at once, and makes one account of 20 right ones', async () => {
    const wish = newcomer();
    const look = await beginSignUp(server, client, wish);
    const { code } = await newestProof(server, wish.email);
    const send = (typed: string) =>
      look.person.request(look.form().action, {
        method: 'POST',
        body: new URLSearchParams({ csrf: String(look.form().hidden['csrf']), code: typed }),
      });
    await Promise.all(Array.from({ length: 40 }, () => send(wrongOf(code))));
    const [row] = await server.sql('select attempts, consumed_at from one_time_token where email = $1', [wish.email]);
    assert.deepEqual(row, { attempts: 5, consumed_at: null });
    const again = await askAgain(look);
    const right = await newestProof(server, wish.email);
    const answers = await Promise.all(
      Array.from({ length: 20 }, () =>
        again.person.request(again.form().action, {
          method: 'POST',
          body: new URLSearchParams({ csrf: String(again.form().hidden['csrf']), code: right.code }),
        }),
      ),
    );
    assert(answers.every(({ status }) => status < 500));
    assert(answers.some(({ status }) => status === 303));
    assert.equal((await accounts(wish.email)).length, 1);
    assert.equal(
      await countRows(server, `audit_event where type = 'signed_up' and account_id = (select id from user_account where email = $1)`, [
        wish.email,
      ]),
      1,
    );
  });

  it('refuses a link that was used, replaced, expired, made up, or meant for something else, and changes nothing', async () => {
    const [used, replaced, expired] = [newcomer(), newcomer(), newcomer()];
    const first = await beginSignUp(server, client, used);
    const usedLink = (await newestProof(server, used.email)).link;
    await (await first.person.open(usedLink)).submit({});
    const second = await beginSignUp(server, client, replaced);
    const replacedLink = (await newestProof(server, replaced.email)).link;
    await askAgain(second);
    const third = await beginSignUp(server, client, expired);
    const { link: expiredLink, code } = await newestProof(server, expired.email);
    await server.sql(`update one_time_token set expires_at = now() - interval '1 second' where email = $1`, [expired.email]);
    const before = await countRows(server, 'user_account');
    const madeUp = `${server.issuer}/interaction/x/signup/link`;
    for (const link of [
      usedLink,
      replacedLink,
      expiredLink,
      madeUp,
      `${madeUp}?token=a&token=b`,
      `${madeUp}?token=${'a'.repeat(5000)}`,
      replacedLink.replace('/signup/', '/reset/'),
    ]) {
      const page = await new Person(server.issuer).open(link);
      assert.equal(page.response.status, 400, link);
      assert.match(page.html, /This link no longer works/, link);
    }
    assert.match((await third.submit({ code })).html, /no longer works/);
    assert.equal(await countRows(server, 'user_account'), before);
  });

  it('begins with 15 minutes, by the clock of the database', async () => {
    const wish = newcomer();
    await beginSignUp(server, client, wish);
    const [row] = await server.sql(`select extract(epoch from expires_at - created_at)::int as life from one_time_token where email = $1`, [
      wish.email,
    ]);
    assert.equal(row?.['life'], 900);
  });

  it('tells of an account that is there already by mail alone, and of every password by nothing', async () => {
    const known = await server.createPerson();
    const wish = newcomer();
    const [one, other] = [await beginSignUp(server, client, newcomer({ email: known.email })), await beginSignUp(server, client, wish)];
    const shape = (page: Page) => ({
      status: page.response.status,
      headers: [...page.response.headers.keys()].sort(),
      html: page.html
        .replaceAll(String(page.url.pathname.split('/')[2]), 'UID')
        .replace(/name="csrf" value="[^"]+"/g, '')
        .replace(known.email, 'EMAIL')
        .replace(wish.email, 'EMAIL'),
    });
    assert.deepEqual(shape(one), shape(other));
    assert.deepEqual(shape(await one.submit({ code: '12345678' })), shape(await other.submit({ code: '12345678' })));
    const [letter] = await lettersTo(server, known.email);
    assert.equal(letter?.subject, 'You already have an account');
    assert.equal((await lettersTo(server, known.email)).length, 1);
    assert.doesNotMatch(String(letter?.text), /^ {4}\S+$/m, 'no code');
  });

  it('does not let an address be taken twice: who proves it second is told so', async () => {
    const wish = newcomer();
    const [one, other] = [
      await beginSignUp(server, client, wish),
      await beginSignUp(server, client, { ...wish, password: 'another one of mine' }),
    ];
    const [first, second] = await lettersTo(server, wish.email);
    const codeIn = (letter: typeof first) => String(/^ {4}(\S+)$/m.exec(String(letter?.text))?.[1]);
    assertConsent(await one.submit({ code: codeIn(first) }), wish.email);
    const late = await other.submit({ code: codeIn(second) });
    assert.equal(late.response.status, 409);
    assert.match(late.html, /This address already has an account/);
    assert.equal((await accounts(wish.email)).length, 1);
    assertConsent(await (await openSignIn(server, client)).submit(wish), wish.email);
  });

  it('finds a user name of their own for everybody, from the address', async () => {
    const names = [];
    for (const email of ['same@one.example', 'same@two.example', 'same@three.example', '+tag@four.example', '한글@five.example']) {
      const wish = newcomer({ email });
      const look = await beginSignUp(server, client, wish);
      await look.submit({ code: (await newestProof(server, email)).code });
      names.push((await accounts(email))[0]?.['username']);
    }
    assert.equal(names[0], 'same');
    assert.match(String(names[1]), /^same-[0-9a-f]{5}$/);
    assert.match(String(names[2]), /^same-[0-9a-f]{5}$/);
    assert.deepEqual(names.slice(3), ['user', '한글']);
    assert.equal(new Set(names).size, names.length);
  });

  it('of 20 people with one first half at once, each gets an account', async () => {
    const wishes = Array.from({ length: 20 }, (_, n) => newcomer({ email: `crowd@n${n}.example` }));
    const pages = [];
    for (const wish of wishes) pages.push(await beginSignUp(server, client, wish));
    await Promise.all(pages.map(async (page, n) => page.submit({ code: (await newestProof(server, String(wishes[n]?.email))).code })));
    assert.equal(await countRows(server, `user_account where email like 'crowd@%'`), 20);
  });
});
