import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { addTotp, totpCode } from '../support/factors.ts';
import type { TestClient } from '../support/flow.ts';
import { lettersTo } from '../support/mailbox.ts';
import { Person } from '../support/person.ts';
import { newestProof, openPage, openSignIn, PASSWORD } from '../support/sign-up.ts';
import { addProvider, startUpstream, type TestUpstream } from '../support/upstream.ts';
import { depart, departFrom, lastEvents, stored, visitUpstream } from '../support/upstream-visit.ts';

let count = 0;

/** Somebody at the provider whom nobody here has met. */
function stranger(upstream: TestUpstream, more: Record<string, unknown> = {}) {
  count += 1;
  upstream.person = {
    sub: `far-${count}`,
    email: `traveller${count}@far.example`,
    email_verified: true,
    name: '여행자',
    preferred_username: `traveller${count}`,
    ...more,
  };
  return upstream.person as { sub: string; email: string; name: string };
}

for (const kind of ['oidc', 'oauth2'] as const)
  describe(`Signing in by a provider (${kind})`, () => {
    let server: TestServer;
    let client: TestClient;
    let upstream: TestUpstream;

    before(async () => {
      server = await startTestServer({ termsUrl: 'https://munjigi.example/terms' });
      client = await server.createClient();
      upstream = await startUpstream(kind);
    });
    beforeEach(async () => {
      upstream.wishes = {};
      await addProvider(server, upstream);
    });
    after(async () => {
      await server.close();
      await upstream.close();
    });

    const identityOf = async (sub: string) =>
      (await server.sql('select * from upstream_identity where subject = $1', [sub]))[0] as
        | { id: string; account_id: string; details: Record<string, unknown> }
        | undefined;

    /** Signs up by the provider, as far as the app's consent. */
    async function signUp(more: Record<string, unknown> = {}, person = new Person(server.issuer)) {
      const there = stranger(upstream, more);
      const page = await visitUpstream(server, client, { person });
      const done = await page.submit({ name: there.name, agree: 'yes' });
      assert.match(done.html, /value="approve"/);
      const identity = await identityOf(there.sub);
      assert.ok(identity);
      return { there, identity, person };
    }

    it('makes an account of what the provider told, once its person has agreed: no password, and no mail', async () => {
      const before = await stored(server);
      const there = stranger(upstream);
      const page = await visitUpstream(server, client);
      assert.match(page.url.pathname, /\/signup\/upstream$/);
      assert.equal(page.url.search, '', 'the answer does not stay in the address');
      for (const told of [there.name, there.email, 'https://munjigi.example/terms']) assert.ok(page.html.includes(told), told);
      assert.match(page.html, /readonly/);
      assert.deepEqual(await stored(server), before, 'nothing is kept before they agree');

      const refused = await page.submit({ name: there.name });
      assert.equal(refused.response.status, 400);
      assert.match(refused.html, /you have to agree/);
      assert.deepEqual(await stored(server), before);

      const consent = await refused.submit({ name: '새 이름', email: 'another@far.example', agree: 'yes' });
      assert.match(consent.html, /value="approve"/);
      const [account] = await server.sql('select * from user_account where email = $1', [there.email]);
      assert.equal(account?.['name'], '새 이름');
      assert.equal(account?.['email_verified'], true);
      assert.equal(account?.['password_hash'], null);
      assert.ok(account?.['terms_agreed_at']);
      const identity = await identityOf(there.sub);
      assert.equal(identity?.account_id, account?.['id']);
      assert.deepEqual(await stored(server), {
        ...before,
        accounts: before.accounts + 1,
        identities: before.identities + 1,
        tokens: before.tokens + 1,
        sessions: before.sessions + 1,
        successes: before.successes + 2,
        links: before.links + 1,
      });
      assert.deepEqual((await lastEvents(server, 3)).map(({ type }) => type).sort(), ['identity_linked', 'signed_in', 'signed_up']);
    });

    it('signs in who is known, at once, and keeps the newer tokens of the sign-in sealed', async () => {
      const { there, identity } = await signUp();
      const [first] = await server.sql('select * from upstream_token where identity_id = $1', [identity.id]);
      const before = await stored(server);
      const page = await visitUpstream(server, client);
      assert.match(page.html, /value="approve"/);
      assert.ok(page.html.includes(there.email));
      const [second] = await server.sql('select * from upstream_token where identity_id = $1', [identity.id]);
      assert.equal(second?.['grant_id'], null);
      assert.notEqual(second?.['access_token'], first?.['access_token']);
      assert.match(String(second?.['access_token']), /^v1\./);
      assert.deepEqual(await stored(server), { ...before, sessions: before.sessions + 1, successes: before.successes + 1 });
      assert.deepEqual(await lastEvents(server), [
        { type: 'signed_in', account_id: identity.account_id, detail: { method: 'upstream', provider: 'far' } },
      ]);
      const shown = await server.sql("select payload->'amr' as amr, payload->'acr' as acr from session where account_id = $1", [
        identity.account_id,
      ]);
      assert.deepEqual(shown, Array(2).fill({ amr: ['fed'], acr: null }), 'it says no more than one factor');
    });

    it('keeps what the provider says of an address that changed, and leaves the account its own', async () => {
      const { there, identity } = await signUp();
      upstream.person = { ...upstream.person, email: `moved-${there.email}` };
      await visitUpstream(server, client);
      assert.equal((await identityOf(there.sub))?.details['email'], `moved-${there.email}`);
      const [account] = await server.sql('select email from user_account where id = $1', [identity.account_id]);
      assert.equal(account?.['email'], there.email);
      const [, changed] = (await lastEvents(server, 2)).sort((a, b) => b.type.localeCompare(a.type));
      assert.deepEqual(changed, {
        type: 'identity_details_changed',
        account_id: identity.account_id,
        detail: { provider: 'far', changed: ['email'] },
      });
    });

    it('refuses a disabled account, like any', async () => {
      const { identity } = await signUp();
      await server.sql('update user_account set disabled_at = now() where id = $1', [identity.account_id]);
      const before = await stored(server);
      const page = await visitUpstream(server, client);
      assert.equal(page.response.status, 401);
      assert.match(page.html, /You cannot sign in here with this <bdi>Far<\/bdi> account/);
      assert.deepEqual(await stored(server), before);
      assert.equal((await lastEvents(server))[0]?.type, 'sign_in_failed');
    });

    it('still owes a factor that the account has', async () => {
      const { identity, person } = await signUp();
      const [account] = await server.sql('select email from user_account where id = $1', [identity.account_id]);
      const { secret } = await addTotp(server, { email: String(account?.['email']), password: '' }, person);
      await server.sql('update totp_factor set last_step = 0');
      const page = await visitUpstream(server, client);
      assert.match(page.html, /name="code"/);
      assert.doesNotMatch(page.html, /value="approve"/);
      const done = await page.submit({ code: totpCode(secret) });
      assert.match(done.html, /value="approve"/);
    });

    it('proves by mail an address that the provider does not vouch for; the link is made with the proof', async () => {
      const before = await stored(server);
      const there = stranger(upstream, { email_verified: false });
      const page = await visitUpstream(server, client);
      assert.doesNotMatch(page.html, /readonly/);
      const email = `own-${there.email}`;
      const code = await page.submit({ name: there.name, email, agree: 'yes' });
      assert.match(code.url.pathname, /\/signup\/code$/);
      assert.ok(code.html.includes('/signup/upstream"'), 'another address is typed where this one was');
      assert.deepEqual(await stored(server), { ...before, mails: before.mails + 1 }, 'nothing but a letter');
      const done = await code.submit({ code: (await newestProof(server, email)).code });
      assert.match(done.html, /value="approve"/);
      const identity = await identityOf(there.sub);
      const [account] = await server.sql('select * from user_account where id = $1', [identity?.account_id]);
      assert.equal(account?.['email'], email);
      assert.equal(account?.['password_hash'], null);
      assert.ok(account?.['terms_agreed_at']);
      assert.equal((await stored(server)).tokens, before.tokens + 1);
    });

    it('forgets the account at the provider when the sign-up is confirmed in another browser, which chooses a password', async () => {
      const there = stranger(upstream, { email_verified: false });
      const page = await visitUpstream(server, client);
      const code = await page.submit({ name: there.name, email: there.email, agree: 'yes' });
      const { link } = await newestProof(server, there.email);
      const elsewhere = await new Person(server.issuer).open(link);
      assert.doesNotMatch(elsewhere.html, /Sign-in method/);
      assert.equal((await elsewhere.submit({ password: PASSWORD })).response.status, 200);
      assert.equal(await identityOf(there.sub), undefined, 'whoever asked may be somebody else');
      assert.match((await code.person.open(code.url.pathname)).html, /name="password"/);
    });

    it('shows in the browser that asked whose account elsewhere the link is for, and makes both there', async () => {
      const there = stranger(upstream, { email_verified: false });
      const page = await visitUpstream(server, client);
      const code = await page.submit({ name: there.name, email: there.email, agree: 'yes' });
      const own = await code.person.open((await newestProof(server, there.email)).link);
      assert.match(own.html, /<dt>Sign-in method<\/dt>\s*<dd><bdi>Far<\/bdi>/);
      assert.match((await own.submit({})).html, /value="approve"/);
      assert.ok(await identityOf(there.sub));
    });

    it('tells by mail alone that an address that nobody vouches for has an account', async () => {
      const known = await server.createPerson();
      const there = stranger(upstream, { email: known.email, email_verified: false });
      const before = await stored(server);
      const page = await visitUpstream(server, client);
      assert.match(page.url.pathname, /\/signup\/upstream$/, 'the same as for a free one');
      const code = await page.submit({ name: there.name, email: known.email, agree: 'yes' });
      assert.match(code.url.pathname, /\/signup\/code$/);
      assert.match((await lettersTo(server, known.email)).at(-1)?.subject ?? '', /already have an account/);
      assert.deepEqual(await stored(server), { ...before, mails: before.mails + 1 });
      assert.equal(await identityOf(there.sub), undefined);
    });

    it('sends nobody to a provider that is off, or that none may sign in by, and shows no button for it', async () => {
      const page = await openSignIn(server, client);
      await addProvider(server, upstream, { signIn: false });
      const before = await stored(server);
      for (const id of ['far', 'nobody', '..%2f']) {
        const refused = await openPage(page, `upstream/${id}`);
        assert.equal(refused.response.status, 400, id);
        assert.match(refused.html, /not available now/);
      }
      assert.doesNotMatch((await openSignIn(server, client)).html, /\/upstream\//);
      assert.deepEqual(await stored(server), before);
      await server.sql('update upstream_provider set disabled_at = now()');
      assert.doesNotMatch((await openSignIn(server, client)).html, /\/upstream\//);
    });

    it('lets two visits of one browser, in two tabs, each come to their own end', async () => {
      await signUp();
      const person = new Person(server.issuer);
      const [one, two] = [await depart(server, client, { person }), await depart(server, client, { person })];
      const asked = await Promise.all(
        [one, two].map(async ({ url }) => (await fetch(url, { redirect: 'manual' })).headers.get('location')),
      );
      for (const location of asked) assert.match((await person.open(String(location))).html, /value="approve"/);
    });

    it('is enough where an app asks to make an account: who has one needs no other (prompt=create)', async () => {
      await signUp();
      const page = await visitUpstream(server, client, { prompt: 'create' });
      assert.match(page.html, /value="approve"/);
      stranger(upstream);
      const form = await visitUpstream(server, client, { prompt: 'create' });
      assert.match((await form.submit({ name: '여행자', agree: 'yes' })).html, /value="approve"/);
    });

    it('asks the provider for a sign-in as recent as the app asks for, where there is a word for that', async () => {
      const asked = async (parameters: Record<string, string>) =>
        (await depart(server, client, parameters)).url.searchParams.get('max_age');
      const told = (age: string) => (kind === 'oidc' ? age : null);
      assert.equal(await asked({}), null);
      assert.equal(await asked({ prompt: 'login' }), told('0'));
      assert.equal(await asked({ max_age: '300' }), told('300'));
    });

    if (kind === 'oidc')
      it('does not take a sign-in there for one of a moment ago when the provider says that it is older', async () => {
        await signUp();
        const age = async (seconds: number, parameters: Record<string, string>) => {
          upstream.wishes = { idToken: { auth_time: Math.floor(Date.now() / 1000) - seconds } };
          return (await visitUpstream(server, client, parameters)).html;
        };
        const before = await stored(server);
        assert.match(await age(4_000, { max_age: '300' }), /We could not trust the answer/);
        assert.deepEqual(await stored(server), before);
        assert.match(await age(10, { max_age: '300' }), /value="approve"/);
        assert.match(await age(4_000, {}), /value="approve"/);
      });

    it('takes the place of somebody else who is signed in in that browser', async () => {
      const { identity } = await signUp();
      const other = await server.createPerson();
      const person = new Person(server.issuer);
      await (await openSignIn(server, client, {}, person)).submit({ email: other.email, password: other.password });
      const page = await visitUpstream(server, client, { person, prompt: 'login' });
      assert.match(page.html, /value="approve"/);
      const sessions = await server.sql('select account_id from session where account_id in ($1, $2)', [other.id, identity.account_id]);
      assert.ok(
        sessions.every(({ account_id }) => account_id === identity.account_id),
        'whose session was there has ended',
      );
    });

    it('stands on the page to sign up too', async () => {
      stranger(upstream);
      const page = await openPage(await openSignIn(server, client), 'signup');
      const away = await departFrom(page);
      assert.equal(away.url.origin, upstream.issuer);
    });
  });
