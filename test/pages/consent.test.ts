import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { CLIENT_CALLBACK, CLIENT_ORIGIN, complaints, startBrowser, type TestBrowser } from '../support/browser.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { authorizePath, pkce, redeem, type TestClient, type Tokens } from '../support/flow.ts';
import { signIn } from '../support/visiting.ts';

describe('The consent page', () => {
  let server: TestServer;
  let browser: TestBrowser;
  before(async () => {
    [server, browser] = await Promise.all([startTestServer(), startBrowser()]);
  });
  after(() => Promise.all([server.close(), browser.close()]));

  type Parameters = Record<string, string>;
  const { code_verifier, ...challenge } = pkce();
  const ask = (page: Page, client: TestClient, parameters: Parameters) =>
    page.goto(server.issuer + authorizePath(client, { ...challenge, ...parameters }));

  /** A person who was asked by a client of its own, and now sees the consent page. */
  async function asked(parameters: Parameters, metadata: Record<string, unknown> = {}) {
    const client = await server.createClient({ redirect_uris: [CLIENT_CALLBACK], ...metadata });
    const person = await server.createPerson();
    const page = await (await browser.person()).newPage();
    const heard = complaints(page);
    await ask(page, client, parameters);
    await signIn(page, person);
    return { client, person, page, heard };
  }

  async function arrive(page: Page): Promise<URLSearchParams> {
    await page.waitForURL(`${CLIENT_CALLBACK}?**`);
    return new URL(page.url()).searchParams;
  }

  async function tokensFor(client: TestClient, answer: URLSearchParams): Promise<Tokens> {
    const code = String(answer.get('code'));
    return (await redeem(server, client, { code, code_verifier, redirect_uri: client.redirect_uri })).json() as Promise<Tokens>;
  }

  it('leaves optional scopes to the person: unticked, left out of the token, and not asked for again', async () => {
    const scope = 'openid profile email api restricted';
    const { client, page } = await asked({ scope }, { required_scope: 'openid profile email' });
    const boxes = page.locator('input[name=scope]');
    assert.deepEqual(await boxes.evaluateAll((all) => all.map((box) => (box as HTMLInputElement).value)), ['api', 'restricted']);
    assert.equal(await page.locator('input[name=scope]:checked').count(), 0);
    const allow = page.locator('button[value=approve]');
    assert.equal(await allow.innerText(), 'Continue with required only');
    assert.equal(await page.locator('button[value=approve_all]').innerText(), 'Also agree to the 2 optional items');

    await boxes.first().check();
    assert.equal(await allow.innerText(), 'Continue with the ticked items', 'a button says what pressing it does');
    await allow.click();
    assert.equal((await tokensFor(client, await arrive(page))).scope, 'openid profile email api');

    await ask(page, client, { scope });
    const again = await arrive(page);
    assert.equal((await tokensFor(client, again)).scope, 'openid profile email api', 'no page stood between');
    await page.context().close();
  });

  it('asks again for a scope that is new, and only then', async () => {
    const { client, page } = await asked({ scope: 'openid profile' });
    await page.click('button[value=approve]');
    await arrive(page);
    await ask(page, client, { scope: 'openid profile api' });
    const rows = await page.locator('.row').allInnerTexts();
    assert.deepEqual(rows, ['Name', 'Read your data']);
    assert.deepEqual(await page.locator('legend').allInnerTexts(), ['You share Already allowed', 'The app can do this for you Required']);
    await page.context().close();
  });

  it('marks what was allowed before when the client asks with prompt=consent, and lets it be taken back', async () => {
    const scope = 'openid email api restricted';
    const { client, page } = await asked({ scope }, { required_scope: 'openid email' });
    await page.check('input[value=api]');
    await page.click('button[value=approve]');
    await arrive(page);

    await ask(page, client, { scope, prompt: 'consent' });
    assert.deepEqual(await page.locator('label.row').allInnerTexts(), [
      'Read restricted data too Sensitive Declined before',
      'Read your data Optional',
    ]);
    assert(await page.isChecked('input[value=api]'));
    assert(!(await page.isChecked('input[value=restricted]')));
    await page.uncheck('input[value=api]');
    await page.click('button[value=approve]');
    assert.equal((await tokensFor(client, await arrive(page))).scope, 'openid email');
    await page.context().close();
  });

  it('takes a refusal back to the client, with state and iss, and keeps nothing (RFC 6749 section 4.1.2.1, RFC 9207)', async () => {
    const { client, page, heard } = await asked({ state: 'mine' });
    await page.click('button[value=deny]');
    // Nobody verified the app: a page of ours comes first (RFC 9700 section 4.11.2).
    await page.click('.ways a');
    const answer = await arrive(page);
    assert.deepEqual(
      [answer.get('error'), answer.get('state'), answer.get('iss'), answer.get('code')],
      ['access_denied', 'mine', server.issuer, null],
    );
    assert.deepEqual(await server.sql('select id from grant_record where client_id = $1', [client.client_id]), []);
    assert.deepEqual(heard, []);
    await page.context().close();
  });

  it('says who asks, who is asked and where the answer goes, with names kept apart from our words', async () => {
    const name = '<img src=x onerror=alert(1)> "Bank" & Söhne';
    const { page, person, heard } = await asked({}, { client_name: name, redirect_uris: ['http://client.example:8080/callback'] });
    assert.equal(await page.locator('h1 bdi').innerText(), name);
    assert.equal(await page.locator('.facts bdi').innerText(), 'client.example:8080');
    assert.deepEqual(await page.locator('.account bdi').allInnerTexts(), ['홍길동', person.email]);
    assert.equal(await page.locator('main img').count(), 0);
    assert.equal(await page.locator('.notice').count(), 0, 'an operator vouches for it');
    assert.deepEqual(heard, [], 'nothing was tried to be loaded');
    await page.context().close();
  });

  it('reaches an app whose callback sends the browser on to another origin', async () => {
    const elsewhere = 'http://shop.client.example/';
    const { page, heard } = await asked({}, { redirect_uris: [`${CLIENT_ORIGIN}/on?to=${elsewhere}`] });
    await page.click('button[value=approve]');
    await page.waitForURL(elsewhere);
    assert.deepEqual(heard, []);
    await page.context().close();
  });

  it('gives Deny the size of Allow, and the first place; neither is chosen beforehand', async () => {
    const { page } = await asked({});
    const [deny, approve] = await Promise.all(
      ['deny', 'approve'].map((value) =>
        page.locator(`button[value=${value}]`).evaluate((button) => {
          const { width, height } = button.getBoundingClientRect();
          const { fontSize, fontWeight, borderWidth } = getComputedStyle(button);
          return {
            width,
            height,
            fontSize,
            fontWeight,
            borderWidth,
          };
        }),
      ),
    );
    assert.deepEqual(deny, approve);
    assert.deepEqual(await page.locator('.actions button').evaluateAll((all) => all.map((button) => (button as HTMLButtonElement).value)), [
      'deny',
      'approve',
    ]);
    assert.equal(await page.evaluate(() => document.activeElement?.tagName), 'BODY', 'neither is chosen beforehand');
    await page.context().close();
  });

  it('warns of a client that registered itself', async () => {
    const response = await fetch(`${server.issuer}/oauth/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ client_name: 'Your Bank', redirect_uris: ['https://bank.example/callback'] }),
    });
    const { client_id } = (await response.json()) as { client_id: string };
    const person = await server.createPerson();
    const page = await (await browser.person({ locale: 'ko' })).newPage();
    await ask(page, { client_id, redirect_uri: 'https://bank.example/callback' }, {});
    await signIn(page, person);
    assert.match(
      await page.locator('.notice.caution').innerText(),
      /스스로 등록한 앱이에요\.\s*앱 이름은 bank\.example 쪽에서 스스로 정했고/,
    );
    assert.deepEqual(await page.locator('.known li').allInnerTexts(), ['게시자 미확인', '오늘 등록', '사용자 10명 미만']);
    assert.equal(await page.locator('.facts bdi').innerText(), 'bank.example');
    await page.context().close();
  });

  it('posts the answer to the client when it asks for that, under our policy (form_post response mode)', async () => {
    for (const javaScriptEnabled of [true, false]) {
      const client = await server.createClient({ redirect_uris: [CLIENT_CALLBACK] });
      const page = await (await browser.person({ javaScriptEnabled })).newPage();
      const heard = complaints(page);
      await ask(page, client, { response_mode: 'form_post', state: 'posted' });
      await signIn(page, await server.createPerson());
      await page.click('button[value=approve]');
      if (!javaScriptEnabled) await page.click('button[type=submit]');
      await page.waitForURL(CLIENT_CALLBACK);
      const arrival = browser.arrivals.at(-1);
      assert.equal(arrival?.method, 'POST');
      assert.equal(arrival.parameters.get('state'), 'posted');
      assert.equal((await tokensFor(client, arrival.parameters)).token_type, 'Bearer');
      assert.deepEqual(heard, []);
      await page.context().close();
    }
  });

  it("lets the answer go to an app by the app's own scheme (RFC 8252 section 7.1)", async () => {
    const { page } = await asked({}, { application_type: 'native', redirect_uris: ['com.example.app:/callback'] });
    assert.equal(await page.locator('.facts bdi').innerText(), 'com.example.app:');
    const answer = await page.reload();
    assert.match(String(answer?.headers()['content-security-policy']), /form-action 'self' com\.example\.app:;/);
    await page.context().close();
  });

  for (const host of ['127.0.0.1', 'localhost', '[::1]'])
    it(`lets the answer go to a native app that listens on ${host} (RFC 8252 section 7.3)`, async () => {
      const client = await server.createClient({ application_type: 'native', redirect_uris: [`http://${host}/callback`] });
      // Nobody listens on port 1: that the browser tries is what we ask for.
      const redirect_uri = `http://${host}:1/callback`;
      const page = await (await browser.person()).newPage();
      const heard = complaints(page);
      await ask(page, { ...client, redirect_uri }, {});
      await signIn(page, await server.createPerson());
      assert.equal(await page.locator('.facts bdi').innerText(), `${host}:1`);
      const tried = page.waitForEvent('requestfailed', (request) => request.url().startsWith(`${redirect_uri}?`));
      await page.click('button[value=approve]');
      assert(new URL((await tried).url()).searchParams.get('code'));
      assert.deepEqual(
        heard.filter((line) => /Content Security Policy/.test(line)),
        [],
      );
      await page.context().close();
    });
});
