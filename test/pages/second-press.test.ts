import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { openAccount, send } from '../support/account.ts';
import { CLIENT_CALLBACK, startBrowser } from '../support/browser.ts';
import { beginDevice, createDeviceClient, typeCode } from '../support/device.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { addTotp, forgetSteps, makeRecoveryCodes, totpCode } from '../support/factors.ts';
import { authorizePath, pkce, post, redeem, type TestClient } from '../support/flow.ts';
import { lettersTo } from '../support/mailbox.ts';
import { Page, Person } from '../support/person.ts';
import { ANSWERS, NEW_CLIENT } from '../support/portal.ts';
import { beginReset, beginSignUp, newcomer, newestProof, openPage, openSignIn } from '../support/sign-up.ts';
import { countRows, passAMinute, unchanged } from '../support/storage.ts';

type Fields = Record<string, string | string[]>;
type Button = { page: Page; fields: Fields; path?: string; once: () => Promise<number> };

describe('A second press of a button', () => {
  let server: TestServer;
  let client: TestClient;
  before(async () => {
    server = await startTestServer();
    client = await server.createClient({ client_uri: 'https://app.example/', post_logout_redirect_uris: ['https://client.example/bye'] });
  });
  after(() => server.close());

  const proof = pkce();
  const request = (of = client) => authorizePath(of, { ...proof, code_verifier: undefined });
  const signIn = (person = new Person(server.issuer)) => person.open(request());
  const consent = async () => {
    const account = await server.createPerson();
    return { account, page: await (await signIn()).submit(account) };
  };
  const events = (type: string, accountId: string) =>
    countRows(server, 'audit_event where type = $1 and account_id = $2', [type, accountId]);
  const letters = async (address: string) => (await lettersTo(server, address)).length;

  /** Each with the page that it stands on, and how often what it does was done: once, in the end. */
  const buttons: Record<string, () => Promise<Button>> = {
    async 'sign in'() {
      const account = await server.createPerson();
      return { page: await signIn(), fields: account as never, once: () => events('signed_in', account.id) };
    },
    async allow() {
      const { account, page } = await consent();
      return {
        page,
        fields: { decision: 'approve' },
        once: () => countRows(server, 'authorization_code where account_id = $1', [account.id]),
      };
    },
    async 'allow, of a pushed request'() {
      const account = await server.createPerson();
      const { code_verifier: _, ...challenge } = proof;
      const asks = { client_id: client.client_id, redirect_uri: client.redirect_uri, response_type: 'code', scope: 'openid', ...challenge };
      const { request_uri } = (await (await post(server, '/oauth/par', client, asks)).json()) as { request_uri: string };
      const query = new URLSearchParams({ client_id: client.client_id, request_uri });
      const page = await (await new Person(server.issuer).open(`/oauth/authorize?${query}`)).submit(account);
      return {
        page,
        fields: { decision: 'approve' },
        once: () => countRows(server, 'authorization_code where account_id = $1', [account.id]),
      };
    },
    async deny() {
      const { account, page } = await consent();
      return { page, fields: { decision: 'deny' }, once: () => events('consent_denied', account.id) };
    },
    async 'another account'() {
      const { page } = await consent();
      const path = page.form().action.replace(/consent$/, 'another-account');
      return { page, path, fields: {}, once: async () => 1 };
    },
    async 'sign up'() {
      const wish = newcomer();
      return { page: await openPage(await signIn(), 'signup'), fields: wish, once: () => letters(wish.email) };
    },
    async 'the code of a sign-up'() {
      const wish = newcomer();
      const page = await beginSignUp(server, client, wish);
      const { code } = await newestProof(server, wish.email);
      return { page, fields: { code }, once: () => countRows(server, 'user_account where email = $1', [wish.email]) };
    },
    async 'another mail'() {
      const wish = newcomer();
      const page = await beginSignUp(server, client, wish);
      const path = page.form().action.replace(/code$/, 'resend');
      return { page, path, fields: {}, once: async () => (await letters(wish.email)) - 1 };
    },
    async 'ask for a new password'() {
      const { email } = await server.createPerson();
      return { page: await openPage(await openSignIn(server, client), 'reset'), fields: { email }, once: () => letters(email) };
    },
    async 'the new password'() {
      const { id, email } = await server.createPerson();
      const page = await (await beginReset(server, client, email)).submit({ code: (await newestProof(server, email)).code });
      return { page, fields: { password: 'another lantern, lit' }, once: () => events('password_reset', id) };
    },
    async 'the code of a factor'() {
      const account = await server.createPerson();
      const { secret } = await addTotp(server, account);
      await forgetSteps(server, account.id);
      const page = await (await signIn()).submit(account);
      return { page, fields: { code: totpCode(secret) }, once: async () => 1 };
    },
    async 'a recovery code'() {
      const account = await server.createPerson();
      const [recovery_code = ''] = await makeRecoveryCodes((await addTotp(server, account)).person);
      const page = await (await signIn()).submit(account);
      const left = 'recovery_code where account_id = $1 and used_at is null';
      return { page, fields: { recovery_code }, once: async () => 10 - (await countRows(server, left, [account.id])) };
    },
    async "a device's code"() {
      const { user_code } = await beginDevice(server, await createDeviceClient(server));
      return { page: await new Person(server.issuer).open('/device'), fields: { user_code }, once: async () => 1 };
    },
    async 'yes to a device'() {
      const { page } = await device();
      return { page, fields: { decision: 'approve' }, once: async () => 1 };
    },
    async 'no to a device'() {
      const { page } = await device();
      return { page, fields: { decision: 'deny' }, once: async () => 1 };
    },
    async 'allow, for a device'() {
      const { page, account } = await device();
      const asked = await (await page.submit({ decision: 'approve' })).submit(account);
      return { page: asked, fields: { decision: 'approve' }, once: () => events('device_connected', account.id) };
    },
    async 'sign out'() {
      const { account, page } = await consent();
      const query = new URLSearchParams({ client_id: client.client_id, post_logout_redirect_uri: 'https://client.example/bye' });
      const at = await page.person.open(`/oauth/logout?${query}`);
      return {
        page: at,
        fields: { logout: 'yes' },
        once: async () => 1 - (await countRows(server, 'session where account_id = $1', [account.id])),
      };
    },
    async 'a new address of an account'() {
      const [account, email] = [await server.createPerson(), newcomer().email];
      return { page: await openAccount(server, account, '/account/email'), fields: { email }, once: () => letters(email) };
    },
    async 'the code of a new address'() {
      const [account, email] = [await server.createPerson(), newcomer().email];
      const asked = await openAccount(server, account, '/account/email');
      const page = await send(asked, '/account/email', { email });
      const { code } = await newestProof(server, email);
      return { page, fields: { code }, once: () => events('email_changed', account.id) };
    },
    async 'another password of an account'() {
      const account = await server.createPerson();
      const fields = { current: account.password, new: 'another lantern, lit' };
      return { page: await openAccount(server, account, '/account/password'), fields, once: () => events('password_changed', account.id) };
    },
    async 'recovery codes'() {
      const account = await server.createPerson();
      const page = await (await addTotp(server, account)).person.open('/account/factors/recovery-codes');
      return { page, fields: {}, once: () => events('recovery_codes_made', account.id) };
    },
    async 'delete my account'() {
      const account = await server.createPerson();
      const page = await openAccount(server, account, '/account/delete');
      return { page, fields: { certain: 'yes' }, once: () => letters(account.email) };
    },
    async 'make an app'() {
      const account = await server.createPerson();
      const page = await openAccount(server, account, NEW_CLIENT);
      return { page, fields: ANSWERS, once: () => countRows(server, 'client_owner where account_id = $1', [account.id]) };
    },
    async 'disable somebody'() {
      const [operator, person] = [await server.createPerson({ role: 'admin' }), await server.createPerson()];
      const page = await openAccount(server, operator, `/admin/people/${person.id}/disable`);
      return { page, fields: { typed: person.email }, once: () => events('account_disabled', person.id) };
    },
  };

  async function device() {
    const [{ user_code }, account] = [await beginDevice(server, await createDeviceClient(server)), await server.createPerson()];
    return { account, page: await typeCode(server, user_code) };
  }

  /** The page that a browser shows, or the address elsewhere that it was sent to. Tokens and challenges are other ones on each page. */
  const stands = ({ url, html, response }: Page) =>
    url.origin === server.issuer
      ? `${response.status} ${html.replace(/"csrf" value="[^"]+"|[\w-]{8}(-[\w-]{4}){3}-[\w-]{12}|"challenge[^"]*"/g, '')}`
      : url.href;

  function press({ page, fields, path }: Button, person: Person): Promise<Page> {
    if (path) return send(new Page(person, page.url, page.response, page.html), path, fields as Record<string, string>);
    return new Page(person, page.url, page.response, page.html).submit(fields);
  }

  for (const [name, open] of Object.entries(buttons))
    it(`${name}: leads where the first did, whether or not its cookies came, also at once; it is done once`, async () => {
      const button = await open();
      const { person } = button.page;
      const [early, abandoned] = [person.twin(), person.twin()];
      const [first, meanwhile] = await Promise.all([press(button, abandoned), press(button, early)]);
      assert(first.response.status < 400, first.html);
      assert.equal(stands(meanwhile), stands(first), 'at once');
      assert.equal(stands(await unchanged(server, () => press(button, person))), stands(first), 'without the cookies of the first');
      assert.equal(stands(await unchanged(server, () => press(button, person))), stands(first), 'with them');
      assert.equal(await button.once(), 1);
      const stranger = await press(button, new Person(server.issuer));
      if (!['sign out', 'no to a device', 'yes to a device', "a device's code"].includes(name))
        assert.notEqual(stands(stranger), stands(first), 'another browser');
    });

  it('is answered like the first by another node, which is not at work on it', async (test) => {
    const wish = newcomer();
    const page = await beginSignUp(server, client, wish);
    const { code } = await newestProof(server, wish.email);
    const other = await server.secondNode();
    test.after(() => other.close());
    const { action, hidden } = page.form();
    const headers = { accept: 'text/html', cookie: page.person.cookies().join('; ') };
    const answers = await Promise.all(
      [server, other, server, other].map((node) =>
        node.send(new URL(action, server.issuer), {
          method: 'POST',
          redirect: 'manual',
          headers,
          body: new URLSearchParams({ ...hidden, code }),
        }),
      ),
    );
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([303]));
    assert.equal(new Set(answers.map((answer) => answer.headers.get('location'))).size, 1);
    assert.equal(await countRows(server, 'user_account where email = $1', [wish.email]), 1);
    assert.equal(await countRows(server, 'kept_answer where sealed is null'), 0, 'no place stays taken');
  });

  it('never sends a code that was redeemed or revoked: a page leads on to the app', async () => {
    for (const end of ['redeemed', 'revoked', 'not used for a minute']) {
      const { account, page } = await consent();
      const code = String((await page.submit({ decision: 'approve' })).url.searchParams.get('code'));
      assert.equal((await page.submit({ decision: 'approve' })).url.searchParams.get('code'), code);
      const exchange = () => redeem(server, client, { code, code_verifier: proof.code_verifier, redirect_uri: client.redirect_uri });
      if (end === 'redeemed') assert.equal((await exchange()).status, 200);
      else if (end === 'revoked') await server.sql('delete from grant_record where account_id = $1', [account.id]);
      else await passAMinute(server);
      const late = await unchanged(server, () => page.submit({ decision: 'approve' }));
      assert.equal(late.url.origin, server.issuer);
      assert(!late.html.includes(code));
      assert.equal(late.response.status, end === 'not used for a minute' ? 400 : 200);
      assert.match(late.html, /href="https:\/\/app\.example\/"/, end);
      if (end === 'redeemed') assert.equal((await exchange()).status, 400, 'nor does it work twice');
    }
  });

  it('on "back": a page of an earlier step leads to where things stand, and another answer than the first is refused', async () => {
    const account = await server.createPerson();
    const first = await signIn();
    const asked = await first.submit(account);
    for (const wait of [async () => {}, () => passAMinute(server)]) {
      await wait();
      assert.equal((await unchanged(server, () => first.person.open(first.url.pathname))).url.pathname, asked.url.pathname);
    }
    const wrong = await unchanged(server, () => first.submit({ ...account, password: 'not this one' }));
    assert.equal(wrong.response.status, 400);
    assert(wrong.html.includes(`href="${asked.url.pathname}"`));

    assert((await asked.submit({ decision: 'approve' })).url.searchParams.get('code'));
    const again = await unchanged(server, () => asked.person.open(asked.url.pathname));
    assert.match(again.html, /<h1>This page was already answered<\/h1>/);
    assert.match(again.html, /href="https:\/\/app\.example\/"/);
    const denied = await unchanged(server, () => asked.submit({ decision: 'deny' }));
    assert.equal(denied.response.status, 400);
    assert.match(denied.html, /href="https:\/\/app\.example\/"/);
    const stranger = new Person(server.issuer);
    stranger.setCookie('interaction', String(asked.url.pathname.split('/')[2]));
    assert.doesNotMatch((await unchanged(server, () => stranger.open(asked.url.pathname))).html, /app\.example/, 'an unsigned cookie');
  });

  it('of what was refused is looked at again, and counts', async () => {
    const account = await server.createPerson();
    const page = await signIn();
    for (let wrong = 1; wrong <= 2; wrong++) {
      assert.equal((await page.submit({ ...account, password: 'not this one' })).response.status, 401);
      assert.equal(await events('sign_in_failed', account.id), wrong);
    }
    assert.equal(await countRows(server, 'kept_answer where sealed is null'), 0);
  });

  it('on a page that was opened again is another one', async () => {
    const wish = newcomer();
    const page = await beginSignUp(server, client, wish);
    const resend = (at: Page) => send(at, at.form().action.replace(/code$/, 'resend'), {});
    await resend(await resend(page));
    assert.equal(await letters(wish.email), 3);
  });

  it('in Chromium, over a slow network: without script the server answers it, with script it is not sent', async (test) => {
    const browser = await startBrowser();
    test.after(() => browser.close());
    const app = await server.createClient({ redirect_uris: [CLIENT_CALLBACK] });
    for (const javaScriptEnabled of [false, true]) {
      const account = await server.createPerson();
      const context = await browser.person({ javaScriptEnabled });
      const page = await context.newPage();
      const sent: string[] = [];
      page.on('request', (one) => one.method() === 'POST' && sent.push(one.url()));
      await page.goto(server.issuer + request(app));
      const session = await context.newCDPSession(page);
      await session.send('Network.enable');
      await session.send('Network.emulateNetworkConditions', {
        offline: false,
        latency: 100,
        downloadThroughput: -1,
        uploadThroughput: -1,
      });
      const twice = async (selector: string) => {
        const { x, y, width, height } = (await page.locator(selector).boundingBox()) as {
          x: number;
          y: number;
          width: number;
          height: number;
        };
        for (const delay of [0, 150]) {
          await page.waitForTimeout(delay);
          await page.mouse.click(x + width / 2, y + height / 2);
        }
      };
      await page.fill('[name=email]', account.email);
      await page.fill('[name=password]', account.password);
      await twice('form:has([name=password]) button[type=submit]');
      await page.locator('button[value=approve]').waitFor();
      await page.locator('button[value=approve]').scrollIntoViewIfNeeded();
      await twice('button[value=approve]');
      // The second press may abandon the first arrival, which waitForURL() takes for a failure.
      await eventually('the browser is at the app', () => page.url().startsWith(CLIENT_CALLBACK));
      const code = String(new URL(page.url()).searchParams.get('code'));
      assert.equal((await redeem(server, app, { code, code_verifier: proof.code_verifier, redirect_uri: app.redirect_uri })).status, 200);
      assert.equal(await countRows(server, 'authorization_code where account_id = $1', [account.id]), 1);
      if (javaScriptEnabled) assert.equal(sent.length, 2, sent.join());
      await context.close();
    }
  });
});
