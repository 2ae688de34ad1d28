import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { complaints, startBrowser, type TestBrowser } from '../support/browser.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { clientCredentials } from '../support/flow.ts';
import { follow, openAccountPage } from '../support/visiting.ts';

describe('A developer at a real browser', () => {
  let server: TestServer;
  let browser: TestBrowser;
  before(async () => {
    [server, browser] = await Promise.all([startTestServer(), startBrowser()]);
  });
  after(async () => {
    await browser.close();
    await server.close();
  });

  for (const javaScriptEnabled of [true, false])
    it(`makes an app, keeps its secret, and ends with none of it, ${javaScriptEnabled ? 'with' : 'without'} JavaScript`, async () => {
      const person = await server.createPerson();
      const context = await browser.person({ javaScriptEnabled, permissions: ['clipboard-read', 'clipboard-write'] });
      const page = await context.newPage();
      const heard = complaints(page);
      await openAccountPage(page, { server, person }, '/account');
      await page.click('main a[href="/developer"]');
      await page.click('a[href="/developer/clients/new"]');
      await page.check('input[name=place][value=service]');
      assert.equal(await page.locator('input[name=person]').first().isVisible(), false, 'the answer is known');
      assert.equal(await page.locator('#redirect_uris').isVisible(), false, 'it has no redirects');
      await page.fill('input[name=client_name]', 'Night Shift');
      await follow(page, 'form button[type=submit]');
      const secret = String(await page.locator('#secret').textContent());
      const client_id = String(await page.locator('dd code').first().textContent());
      await clientCredentials(server, { client_id, client_secret: secret, redirect_uri: '' });

      const copy = page.locator('[data-copies]');
      if (!javaScriptEnabled) assert.equal(await copy.isVisible(), false);
      else {
        await copy.click();
        await page.locator('[data-copies] + [role=status]:not(:empty)').waitFor();
        assert.equal(await page.evaluate('navigator.clipboard.readText()'), secret);
      }
      const [file] = await Promise.all([page.waitForEvent('download'), page.click('section form button')]);
      assert.equal(file.suggestedFilename(), 'client.env');

      await page.click('nav.pages a[href$="/delete"]');
      await page.fill('input[name=name]', 'Night Shift');
      await page.click('form button.danger');
      await page.waitForURL('**/developer?done');
      assert.match(String(await page.locator('main').textContent()), /You have no apps yet/);
      assert.deepEqual(heard, []);
      await context.close();
    });
});
