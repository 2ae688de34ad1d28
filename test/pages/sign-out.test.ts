import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { CLIENT_CALLBACK, CLIENT_ORIGIN, complaints, startBrowser, type TestBrowser } from '../support/browser.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { authorizePath, callApi, pkce, redeem, type TestClient, type Tokens } from '../support/flow.ts';
import { Person } from '../support/person.ts';
import { signIn } from '../support/visiting.ts';

describe('Signing out (OpenID Connect RP-Initiated Logout)', () => {
  let server: TestServer;
  let browser: TestBrowser;
  let client: TestClient;
  const afterwards = `${CLIENT_ORIGIN}/goodbye`;
  before(async () => {
    [server, browser] = await Promise.all([startTestServer(), startBrowser()]);
    client = await server.createClient({
      client_name: 'Moonlight',
      redirect_uris: [CLIENT_CALLBACK],
      post_logout_redirect_uris: [afterwards],
    });
  });
  after(() => Promise.all([server.close(), browser.close()]));

  /** A person who is signed in, with a client that holds tokens. */
  async function signedIn(scope = 'openid profile', parameters: Record<string, string> = {}) {
    const person = await server.createPerson();
    const page = await (await browser.person()).newPage();
    const { code_verifier, ...challenge } = pkce();
    await page.goto(server.issuer + authorizePath(client, { ...challenge, scope, ...parameters }));
    await signIn(page, person);
    for (const box of await page.locator('input[name=scope]').all()) await box.check();
    await page.click('button[value=approve]');
    await page.waitForURL(`${CLIENT_CALLBACK}?**`);
    const code = String(new URL(page.url()).searchParams.get('code'));
    const tokens = (await (await redeem(server, client, { code, code_verifier, redirect_uri: client.redirect_uri })).json()) as Tokens;
    return { page, person, tokens };
  }

  const sessionsOf = (id: string) => server.sql('select id from session where account_id = $1', [id]);
  const opensApi = async (tokens: Tokens) => (await callApi(server, '/api/me', tokens.access_token)).status === 200;
  const logoutOf = (page: Page, parameters: Record<string, string> = {}) =>
    page.goto(`${server.issuer}/oauth/logout?${new URLSearchParams(parameters)}`);

  it('ends the session, and the tokens that were to live as long as it', async () => {
    const { page, person, tokens } = await signedIn();
    assert(await opensApi(tokens));
    await logoutOf(page);
    assert(await opensApi(tokens), 'to look at the page ends nothing');
    await page.click('button[name=logout]');
    assert.equal(await page.locator('h1').innerText(), 'You are signed out');
    assert.deepEqual(await sessionsOf(person.id), []);
    assert(!(await opensApi(tokens)));
    await page.context().close();
  });

  it('leaves a client what it was allowed to keep after signing out (offline_access)', async () => {
    const { page, person, tokens } = await signedIn('openid profile offline_access', { prompt: 'consent' });
    await logoutOf(page);
    await page.click('button[name=logout]');
    await page.waitForURL('**/oauth/logout/success');
    assert.deepEqual(await sessionsOf(person.id), []);
    assert(await opensApi(tokens));
    await page.context().close();
  });

  it('ends nothing for a person who stays, and says so', async () => {
    const { page, person, tokens } = await signedIn();
    await logoutOf(page);
    await page.click('button:not([name])');
    assert.equal(await page.locator('h1').innerText(), 'You are still signed in');
    assert.equal((await sessionsOf(person.id)).length, 1);
    assert(await opensApi(tokens));
    await page.context().close();
  });

  it('goes back to the client that asked, by an address that it registered, with its state', async () => {
    const { page, person, tokens } = await signedIn();
    const heard = complaints(page);
    await logoutOf(page, { id_token_hint: String(tokens.id_token), post_logout_redirect_uri: afterwards, state: 'bye' });
    await page.click('button[name=logout]');
    await page.waitForURL(`${afterwards}?state=bye`);
    assert.deepEqual(await sessionsOf(person.id), []);
    assert(!(await opensApi(tokens)));
    assert.deepEqual(heard, []);
    await page.context().close();
  });

  it('signs a person who stays out of the client that asked alone, and says so', async () => {
    const { page, person, tokens } = await signedIn();
    await logoutOf(page, { id_token_hint: String(tokens.id_token) });
    assert.match(await page.locator('.lead').innerText(), /^Moonlight asks you to sign out\./);
    await page.click('button:not([name])');
    assert.equal(await page.locator('h1').innerText(), 'You are still signed in');
    assert.match(await page.locator('.lead').innerText(), /^Moonlight signed you out\. You are still signed in everywhere else\./);
    assert.equal((await sessionsOf(person.id)).length, 1);
    assert(!(await opensApi(tokens)));
    await page.context().close();
  });

  it('signs a person who stays out of the client that asked, and goes back to it', async () => {
    const { page, person, tokens } = await signedIn();
    await logoutOf(page, { id_token_hint: String(tokens.id_token), post_logout_redirect_uri: afterwards });
    await page.click('button:not([name])');
    await page.waitForURL(afterwards);
    assert.equal((await sessionsOf(person.id)).length, 1);
    assert(!(await opensApi(tokens)));
    await page.context().close();
  });

  it('never leads to an address that the client did not register, and the button still signs out', async () => {
    const { page, person, tokens } = await signedIn();
    const heard = complaints(page);
    for (const wrong of ['https://evil.example/', `${afterwards}/`, '//evil.example', 'javascript:alert(1)']) {
      await logoutOf(page, { client_id: client.client_id, post_logout_redirect_uri: wrong });
      assert.match(await page.locator('main').innerText(), /After that you stay on this site/, wrong);
      assert.equal(new URL(page.url()).origin, server.issuer);
    }
    assert.equal((await sessionsOf(person.id)).length, 1);
    assert(await opensApi(tokens), 'to look at the page ends nothing');
    await page.click('button[name=logout]');
    await page.waitForURL('**/oauth/logout/success');
    assert.deepEqual(await sessionsOf(person.id), []);
    assert.deepEqual(heard, []);
    await page.context().close();
  });

  it('lets the app send the browser on to another host, from the address that it registered', async () => {
    const elsewhere = 'http://shop.client.example/';
    const app = await server.createClient({
      redirect_uris: [CLIENT_CALLBACK],
      post_logout_redirect_uris: [`${CLIENT_ORIGIN}/on?to=${elsewhere}`],
    });
    const { page } = await signedIn();
    const heard = complaints(page);
    await logoutOf(page, { client_id: app.client_id, post_logout_redirect_uri: `${CLIENT_ORIGIN}/on?to=${elsewhere}` });
    await page.click('button[name=logout]');
    await page.waitForURL(elsewhere);
    assert.deepEqual(heard, []);
    await page.context().close();
  });

  it('refuses a form without its token, and the session stays', async () => {
    const { page, person } = await signedIn();
    const cookies = await page.context().cookies(server.issuer);
    const response = await fetch(`${server.issuer}/oauth/logout/confirm`, {
      method: 'POST',
      redirect: 'manual',
      headers: { accept: 'text/html', cookie: cookies.map(({ name, value }) => `${name}=${value}`).join('; ') },
      body: new URLSearchParams({ logout: 'yes', xsrf: 'guessed' }),
    });
    assert.equal(response.status, 400);
    assert.equal((await sessionsOf(person.id)).length, 1);
    await page.context().close();
  });

  it('has nothing to ask of a person who is not signed in', async () => {
    const page = await (await browser.person()).newPage();
    const heard = complaints(page);
    await logoutOf(page);
    assert.equal(await page.locator('h1').innerText(), 'You are signed out');
    // Nothing asks the browser to send a form, so no policy can stop it.
    assert.equal(await page.locator('form').count(), 0);
    assert.deepEqual(heard, []);
    await page.context().close();
  });

  it('is never framed (RFC 9700 section 4.16)', async () => {
    const { response } = await new Person(server.issuer).open('/oauth/logout');
    assert.match(String(response.headers.get('content-security-policy')), /frame-ancestors 'none'/);
    assert.equal(response.headers.get('x-frame-options'), 'DENY');
  });
});
