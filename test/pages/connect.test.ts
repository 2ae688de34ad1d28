import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { CLIENT_CALLBACK, complaints, startBrowser, type TestBrowser } from '../support/browser.ts';
import { visitsTo } from '../support/connecting.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { proveEveryMailbox } from '../support/factors.ts';
import { authorizePath, pkce, redeem, type TestClient, type Tokens } from '../support/flow.ts';
import { createServiceClient, exchange } from '../support/linked.ts';
import { addProvider, startUpstream, type TestUpstream } from '../support/upstream.ts';
import { signIn } from '../support/visiting.ts';

const { code_verifier, ...challenge } = pkce();

describe('Connecting services, in a browser', () => {
  let server: TestServer;
  let browser: TestBrowser;
  let far: TestUpstream;
  let near: TestUpstream;
  let client: TestClient;

  before(async () => {
    [server, browser, far, near] = await Promise.all([startTestServer(), startBrowser(), startUpstream(), startUpstream('oauth2')]);
    await proveEveryMailbox(server);
    await addProvider(server, far, { services: ['notes.read', 'notes.write'] });
    await addProvider(server, near, { id: 'near', name: 'Near', services: ['photos'] });
    client = await createServiceClient(server, { services: ['far', 'near'], redirect_uris: [CLIENT_CALLBACK], client_name: 'Notebook' });
  });
  after(() => Promise.all([server?.close(), browser?.close(), far?.close(), near?.close()]));
  beforeEach(() => {
    for (const upstream of [far, near]) Object.assign(upstream, { wishes: {}, asked: [] });
  });

  const ask = (page: Page, scope: string) => page.goto(server.issuer + authorizePath(client, { ...challenge, scope }));

  let travellers = 0;
  /** Somebody who was asked for scopes, and sees the consent page. */
  async function asked(scope: string, options: BrowserContextOptions = {}) {
    for (const upstream of [far, near]) upstream.person = { ...upstream.person, sub: `traveller-${++travellers}` };
    const page = await (await browser.person(options)).newPage();
    const heard = complaints(page);
    await ask(page, scope);
    await signIn(page, await server.createPerson());
    await page.locator('button[value=approve]').waitFor();
    return { page, heard };
  }

  async function allow(page: Page): Promise<void> {
    for (const box of await page.locator('input[name=scope]').all()) await box.check();
    await page.click('button[value=approve]');
  }

  async function tokensOf(page: Page): Promise<Tokens> {
    await page.waitForURL(`${CLIENT_CALLBACK}?**`);
    const code = String(new URL(page.url()).searchParams.get('code'));
    return (await redeem(server, client, { code, code_verifier, redirect_uri: client.redirect_uri })).json() as Promise<Tokens>;
  }

  const words = {
    en: {
      at: 'May act for you at Far Optional',
      before: ['You share Required', 'The app can do this for you Required'],
      service: 'Read notes.read Sensitive',
    },
    ko: {
      at: 'Far에서 나를 대신해 할 수 있는 일 선택',
      before: ['앱에 알려 주는 정보 필수', '앱이 나를 대신해 할 수 있는 일 필수'],
      service: 'notes.read 읽기 주의',
    },
  };
  for (const [locale, { at, before, service }] of Object.entries(words))
    it(`consent puts services under the name of their provider, after what the app requires (${locale})`, async () => {
      const context = await browser.person({ locale });
      const page = await context.newPage();
      const parameters = {
        ...challenge,
        scope: 'openid email posts:write near:photos far:notes.read',
        resource: `${server.issuer}/api/posts`,
      };
      await page.goto(server.issuer + authorizePath(client, parameters));
      await signIn(page, await server.createPerson());
      await page.locator('button[value=approve]').waitFor();
      const boxes = await page.locator('input[name=scope]').evaluateAll((all) => all.map((box) => (box as HTMLInputElement).value));
      assert.deepEqual(boxes, ['far:notes.read', 'near:photos']);
      assert.equal(await page.locator('input[name=scope]:checked').count(), 0);
      const legends = await page.locator('legend').allInnerTexts();
      assert.deepEqual(legends.slice(0, 3), [...before, at]);
      const group = page.locator('fieldset').nth(2);
      assert.deepEqual(await group.locator('label').allInnerTexts(), [service]);
      await context.close();
    });

  it('goes from consent to the provider, which asks on a page of its own, and on to the app with a code', async () => {
    far.wishes.asks = true;
    const { page, heard } = await asked('openid far:notes.read');
    await allow(page);
    await page.waitForURL(`${far.issuer}/authorize?**`);
    await page.click('button');
    assert.equal((await tokensOf(page)).scope, 'openid far:notes.read');
    assert.deepEqual(heard, []);
    await page.context().close();
  });

  it('sends the person once more for what is new, and back, without JavaScript too', async () => {
    const { page } = await asked('openid far:notes.read', { javaScriptEnabled: false });
    await allow(page);
    await tokensOf(page);
    await ask(page, 'openid far:notes.read far:notes.write');
    await allow(page);
    const { access_token } = await tokensOf(page);
    assert.equal(visitsTo(far), 2);
    assert.equal((await exchange(server, client, access_token, { scope: 'far:notes.write' })).status, 200);
    await ask(page, 'openid far:notes.read far:notes.write');
    await tokensOf(page);
    assert.equal(visitsTo(far), 2);
    await page.context().close();
  });

  it('says what went wrong there; another try may do, and the code comes without', async () => {
    const { page, heard } = await asked('openid far:notes.read');
    far.wishes.denies = 'access_denied';
    await allow(page);
    await page.locator('[role=alert]').waitFor();
    assert.match(await page.title(), /^Error: /);
    await page.locator('[role=alert]:focus').waitFor();
    await page.click('text=Go to Far');
    await page.locator('[role=alert]').waitFor();
    assert.equal(visitsTo(far), 2);
    await page.click('button[value=without]');
    assert.equal((await tokensOf(page)).scope, 'openid far:notes.read');
    assert.deepEqual(heard, []);
    await page.context().close();
  });

  it('says that it was another account there', async () => {
    const { page } = await asked('openid far:notes.read');
    await allow(page);
    await tokensOf(page);
    far.person = { ...far.person, sub: 'another' };
    await ask(page, 'openid far:notes.write');
    await allow(page);
    assert.match(await page.locator('[role=alert]').innerText(), /another Far account/);
    assert.match(await page.locator('section', { hasText: 'Far account' }).innerText(), /Linked: traveller@far\.example/);
    await page.context().close();
  });

  it('goes to two providers one after the other, and the way back of the browser leads to the page', async () => {
    near.wishes.asks = true;
    const { page } = await asked('openid far:notes.read near:photos');
    await allow(page);
    await page.click('text=Go to Near');
    await page.waitForURL(`${near.issuer}/authorize?**`);
    await page.goBack();
    await page.click('text=Go to Far');
    await page.locator('section', { hasText: 'Far account' }).waitFor({ state: 'detached' });
    await page.click('text=Go to Near');
    await page.waitForURL(`${near.issuer}/authorize?**`);
    await page.click('button');
    const { access_token } = await tokensOf(page);
    for (const audience of ['far', 'near']) assert.equal((await exchange(server, client, access_token, { audience })).status, 200);
    await page.context().close();
  });

  it("an app's link leads there by a button, and back to the app", async () => {
    far.wishes.asks = true;
    const { page, heard } = await asked('openid far:notes.read');
    await allow(page);
    await page.waitForURL(`${far.issuer}/authorize?**`);
    const query = new URLSearchParams({ client_id: client.client_id, redirect_uri: CLIENT_CALLBACK, state: 's' });
    await page.goto(`${server.issuer}/account/links/far/connect?${query}`);
    await page.click('main form button[type=submit]');
    await page.waitForURL(`${far.issuer}/authorize?**`);
    await page.click('button');
    await page.waitForURL(`${CLIENT_CALLBACK}?service=far&state=s`);
    assert.deepEqual(heard, []);
    await page.context().close();
  });
});
