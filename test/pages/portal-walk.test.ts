import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { showTwoFactors } from '../support/admin.ts';
import { complaints, startBrowser, type TestBrowser } from '../support/browser.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { createResourceServerClient, introspect, type TestClient } from '../support/flow.ts';
import { newcomer, newestProof } from '../support/sign-up.ts';
import { countRows } from '../support/storage.ts';
import { follow, openAccountPage } from '../support/visiting.ts';

/** A new developer's first two minutes, by the portal alone, and what an operator can do about it. */
describe('From sign-up to a token from one’s own client', () => {
  let server: TestServer;
  let browser: TestBrowser;
  let api: TestClient;
  before(async () => {
    [server, browser] = await Promise.all([startTestServer(), startBrowser()]);
    api = await createResourceServerClient(server);
  });
  after(() => Promise.all([server?.close(), browser?.close()]));

  for (const locale of ['ko', 'en'])
    it(`in ${locale}, until an operator suspends the client and its tokens are dead`, async (test) => {
      const begun = performance.now();
      const page = await (await browser.person({ locale })).newPage();
      const heard = complaints(page);
      await signUp(page);
      await page.click('main a[href="/developer"]');
      const name = `Moonlight ${locale}`;
      const secret = await makeClient(page, name);
      await page.click('nav.pages a[href$="/try"]');
      await page.click('button[value=add]');
      await page.click('a[href^="/oauth/authorize"]');
      await page.locator('button[value=approve]').waitFor();
      assert.match(await page.locator('main').innerText(), new RegExp(name), 'the consent page says who asks');
      await page.click('button[value=approve]');
      assert.equal(await page.locator('input[name=client_secret]').count(), 0, `the portal has ${secret.length} characters already`);
      await page.click('button[value=redeem]');
      const { access_token, refresh_token } = JSON.parse(String(await page.locator('#response').textContent()));
      // Told, not asserted: what a person takes to read is not in it.
      test.diagnostic(`from sign-up to a token in ${((performance.now() - begun) / 1_000).toFixed(1)} s of a browser's time`);
      for (const token of [access_token, refresh_token]) assert(token, 'a token was shown');
      assert.equal(await page.getAttribute('html', 'lang'), locale);
      assert.deepEqual(heard, []);

      const found = await introspect(server, api, access_token);
      assert.equal(found['active'], true);
      await suspend(locale, name);
      assert.deepEqual(await introspect(server, api, access_token), { active: false });
      assert.equal(await countRows(server, 'token where client_id = $1', [found['client_id']]), 0, 'no refresh token is left either');
      const again = await page.goto(`${server.issuer}/oauth/authorize?client_id=${found['client_id']}`);
      assert.equal(again?.status(), 400);
    });

  async function signUp(page: Page): Promise<void> {
    const wish = newcomer();
    await page.goto(server.issuer);
    await page.goto(`${server.issuer}/signup`);
    for (const [field, value] of Object.entries(wish)) await page.fill(`input[name=${field}]`, value);
    await page.click('main form button[type=submit]:not([hidden])');
    const code = page.locator('input[name=code]');
    await code.waitFor();
    await code.fill((await newestProof(server, wish.email)).code);
    await page.click('main form button[type=submit]');
    await page.waitForURL(`${server.issuer}/account`);
  }

  /** By the three questions. @returns its secret, which is shown this once. */
  async function makeClient(page: Page, name: string): Promise<string> {
    await follow(page, 'a[href="/developer/clients/new"]');
    await page.check('input[name=place][value=server]');
    await page.check('input[name=person][value=yes]');
    for (const scope of ['openid', 'profile']) {
      const choice = page.locator(`input[name=scope][value="${scope}"]`);
      if (await choice.count()) await choice.check();
    }
    await page.fill('input[name=client_name]', name);
    await page.fill('textarea[name=redirect_uris]', 'https://moonlight.example/callback');
    await page.click('main form button[type=submit]');
    return String(await page.locator('#secret').textContent());
  }

  async function suspend(locale: string, name: string): Promise<void> {
    const operator = await server.createPerson({ role: 'admin' });
    const page = await (await browser.person({ locale })).newPage();
    await openAccountPage(page, { server, person: operator }, '/account');
    await showTwoFactors(server, operator.id);
    await page.goto(`${server.issuer}/admin`);
    await page.click('main a[href="/admin/clients"]');
    await page.fill('input[name=search]', name);
    await page.click('form.filters button[type=submit]');
    await page.click(`a:has-text("${name}")`);
    await follow(page, 'a[href$="/suspend"]');
    await follow(page, 'main form[method=post] button[type=submit]');
    const [row] = await server.sql(
      `select e.actor_id, e.client_id, e.address, c.suspended_at from audit_event e join client c on c.id = e.client_id where e.type = 'client_suspended' and c.metadata->>'client_name' = $1`,
      [name],
    );
    assert.equal(row?.['actor_id'], operator.id, 'it is told who did it');
    assert(row?.['suspended_at'] && row['address']);
    await page.context().close();
  }
});
