import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import type { TestClient } from '../support/flow.ts';
import { lettersTo } from '../support/mailbox.ts';
import { type Page, Person } from '../support/person.ts';
import { askAgain, beginReset, beginSignUp, newcomer, newestProof, openPage, openSignIn } from '../support/sign-up.ts';
import { passAMinute, unchanged } from '../support/storage.ts';

const urlencoded = { 'content-type': 'application/x-www-form-urlencoded' };

describe('Forms of signing up and resetting', () => {
  let server: TestServer;
  let client: TestClient;
  before(async () => {
    server = await startTestServer();
    client = await server.createClient();
  });
  after(() => server.close());

  const csrfOf = (page: Page) => String(page.form().hidden['csrf']);
  const post = (page: Page, body: BodyInit, headers: Record<string, string> = {}) =>
    page.person.open(page.form().action, { method: 'POST', body, headers });

  async function assertRefused(status: number, attempt: () => Promise<Page>, why: string): Promise<void> {
    const page = await unchanged(server, attempt);
    assert.equal(page.response.status, status, why);
    assert.match(page.html, /<h1>/, why);
  }

  /** Each with the page as it is opened, what it is filled in with rightly, and what comes next. */
  const forms: Record<string, () => Promise<{ page: Page; fields: Record<string, string>; next: RegExp; linked?: boolean }>> = {
    'signing up': async () => ({
      page: await openPage(await openSignIn(server, client), 'signup'),
      fields: newcomer(),
      next: /one-time-code/,
    }),
    'the code of signing up': async () => {
      const wish = newcomer();
      const page = await beginSignUp(server, client, wish);
      return { page, fields: { code: (await newestProof(server, wish.email)).code }, next: /name="decision"/ };
    },
    'the link of signing up': async () => {
      const wish = newcomer();
      const look = await beginSignUp(server, client, wish);
      return {
        page: await look.person.open((await newestProof(server, wish.email)).link),
        fields: {},
        next: /name="decision"/,
        linked: true,
      };
    },
    'the link of signing up, in another browser': async () => {
      const wish = newcomer();
      await beginSignUp(server, client, wish);
      const page = await new Person(server.issuer).open((await newestProof(server, wish.email)).link);
      return { page, fields: { password: 'another lantern, lit' }, next: /Your account is ready/, linked: true };
    },
    'asking for a new password': async () => ({
      page: await openPage(await openSignIn(server, client), 'reset'),
      fields: { email: newcomer().email },
      next: /one-time-code/,
    }),
    'a new password by code': async () => {
      const { email } = await server.createPerson();
      const look = await beginReset(server, client, email);
      const page = await look.submit({ code: (await newestProof(server, email)).code });
      return { page, fields: { password: 'another lantern, lit' }, next: /name="decision"/ };
    },
    'a new password by link': async () => {
      const { email } = await server.createPerson();
      await beginReset(server, client, email);
      const page = await new Person(server.issuer).open((await newestProof(server, email)).link);
      return { page, fields: { password: 'another lantern, lit' }, next: /You changed your password/, linked: true };
    },
  };

  for (const [name, open] of Object.entries(forms))
    it(`${name}: refused empty, too large, without its token or with another's, from another site or browser; then it goes on`, async () => {
      const [{ page, fields, next, linked }, other] = [await open(), await openSignIn(server, client)];
      const { csrf: _, ...hidden } = page.form().hidden;
      const right = new URLSearchParams({ ...page.form().hidden, ...fields });
      for (const csrf of ['', 'guessed', csrfOf(other)]) await assertRefused(403, () => page.submit({ ...fields, csrf }), `csrf ${csrf}`);
      await assertRefused(403, () => post(page, new URLSearchParams({ ...hidden, ...fields })), 'no csrf at all');
      await assertRefused(403, () => post(page, new URLSearchParams()), 'empty');
      for (const headers of [{ origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }] as Record<string, string>[])
        await assertRefused(403, () => post(page, right, headers), JSON.stringify(headers));
      await assertRefused(413, () => post(page, `${right}&more=${'x'.repeat(70_000)}`, urlencoded), 'too large');
      await assertRefused(400, () => post(page, `${right}&more=%00`, urlencoded), 'NUL');
      await assertRefused(415, () => post(page, JSON.stringify(Object.fromEntries(right)), { 'content-type': 'application/json' }), 'JSON');
      // A link is for whatever browser reads the mail; everything else for the one that asked.
      const stranger = new Person(server.issuer);
      if (!linked) await assertRefused(400, () => stranger.open(page.form().action, { method: 'POST', body: right }), 'another browser');
      assert.match((await page.submit(fields)).html, next);
      if (!linked) return;
      assert.match((await unchanged(server, () => page.submit(fields))).html, next, 'twice');
      await passAMinute(server);
      await assertRefused(400, () => page.submit(fields), 'after a minute');
    });

  it('signing up: what is wrong is said beside each field, the name and the address stay, the password does not, and nothing changed', async () => {
    const page = await openPage(await openSignIn(server, client), 'signup');
    const wrong: [Record<string, string>, string[]][] = [
      [{ name: '', email: '', password: '' }, ['name', 'email', 'password']],
      [{ ...newcomer(), name: 'x'.repeat(101) }, ['name']],
      [{ ...newcomer(), name: '‮elpoep.evil' }, ['name']],
      [{ ...newcomer(), name: 'two\nlines' }, ['name']],
      [{ ...newcomer(), name: '\u200b\u200d' }, ['name']],
      ...[
        'nobody',
        'a@b',
        'a@b@c.example',
        'a b@c.example',
        'a@c.example\nBcc: b@c.example',
        `${'a'.repeat(65)}@c.example`,
        'a@-c.example',
        'A <a@c.example>',
        '‮a@c.example',
      ].map((email): [Record<string, string>, string[]] => [{ ...newcomer(), email }, ['email']]),
      [{ ...newcomer(), password: 'sh0rt' }, ['password']],
      [{ ...newcomer(), password: 'x'.repeat(60_000) }, ['password']],
      [{ ...newcomer(), password: 'tab\tin the middle' }, ['password']],
    ];
    for (const [fields, where] of wrong) {
      const refused = await unchanged(server, () => page.submit(fields));
      const why = JSON.stringify(fields).slice(0, 200);
      assert.equal(refused.response.status, 400, why);
      assert.match(refused.html, /<title>Error: /);
      assert.match(refused.html, /role="alert" tabindex="-1" autofocus/);
      assert.deepEqual(
        [...refused.html.matchAll(/<input id="(\w+)"[^>]* aria-invalid="true"/g)].map(([, name]) => name),
        where,
        why,
      );
      if (fields['password']) assert(!refused.html.includes(fields['password']), 'the password is not sent back');
      if (!where.includes('name')) assert(refused.html.includes(`value="${fields['name']}"`), why);
    }
  });

  it('one spelling of an address is one person: case, full width and spaces make no second account', async () => {
    const known = await server.createPerson({ email: 'one.spelling@people.example' });
    for (const email of ['ONE.Spelling@People.Example', ' one.spelling@people.example ', 'ｏｎｅ.spelling@people.example'])
      await beginSignUp(server, client, newcomer({ email }));
    const letters = await lettersTo(server, known.email);
    assert.deepEqual(
      letters.map(({ subject }) => subject),
      Array(3).fill('You already have an account'),
    );
  });

  it('in two tabs: the newer one counts, and the older one says so', async () => {
    const signIn = await openSignIn(server, client);
    const [one, two] = [newcomer(), newcomer()];
    const [first, second] = [await (await openPage(signIn, 'signup')).submit(one), await (await openPage(signIn, 'signup')).submit(two)];
    const { code, link } = await newestProof(server, one.email);
    assert.equal((await first.submit({ code })).response.status, 400);
    assert.equal((await signIn.person.open(link)).response.status, 400);
    assert.match((await second.submit({ code: (await newestProof(server, two.email)).code })).html, new RegExp(two.email));
    assert.deepEqual(await server.sql('select 1 from user_account where email = $1', [one.email]), []);
  });

  it('sent again after the end: the code leads where it led, another mail is not sent, and nothing changed', async () => {
    const wish = newcomer();
    const look = await beginSignUp(server, client, wish);
    const { code } = await newestProof(server, wish.email);
    await look.submit({ code });
    assert.match((await unchanged(server, () => look.submit({ code }))).html, /name="decision"/);
    await assertRefused(400, () => askAgain(look), 'another mail');
  });
});
