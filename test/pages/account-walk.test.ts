import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { CLIENT_CALLBACK, complaints, startBrowser, type TestBrowser } from '../support/browser.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { authorizePath, pkce } from '../support/flow.ts';
import { follow, openAccountPage, signIn } from '../support/visiting.ts';

/** A person goes through their account in a real browser: what our own policy refuses shows there alone. */

const WORDS = {
  ko: { apps: '연결된 앱', none: '내 계정에 접근할 수 있는 앱이 없어요.', kept: '계정 삭제를 취소했어요' },
  en: { apps: 'Connected apps', none: 'No app has access to your account.', kept: 'Account deletion cancelled' },
};

describe('A walk through the account', () => {
  let server: TestServer;
  let browser: TestBrowser;
  before(async () => {
    [server, browser] = await Promise.all([startTestServer(), startBrowser()]);
  });
  after(() => Promise.all([server.close(), browser.close()]));

  for (const [locale, words] of Object.entries(WORDS))
    it(`in ${locale}, without JavaScript: an app, a device, another password, the data, deletion and back`, async () => {
      const person = await server.createPerson();
      const client = await server.createClient({ client_name: 'Moonlight', redirect_uris: [CLIENT_CALLBACK] });
      const context = await browser.person({ locale, javaScriptEnabled: false, acceptDownloads: true });
      const page = await context.newPage();
      const heard = complaints(page);
      await page.goto(server.issuer + authorizePath(client, { ...pkce(), code_verifier: undefined }));
      await signIn(page, person);
      await page.click('button[value=approve]');
      await page.waitForURL(`${CLIENT_CALLBACK}?**`);

      await openAccountPage(page, { server, person }, '/account');
      await page.click(`a:has-text("${words.apps}")`);
      assert.equal(await page.locator('.item h2').innerText(), 'Moonlight');
      await follow(page, '.item button');
      await page.locator('[role=status]').waitFor();
      assert((await page.locator('main').innerText()).includes(words.none));

      const elsewhere = await browser.person();
      const other = await elsewhere.newPage();
      await openAccountPage(other, { server, person }, '/account');
      await follow(page, '.menu a[href="/account/sessions"]');
      assert.equal(await page.locator('.item').count(), 2);
      await follow(page, 'button[name=others]');
      await page.locator('[role=status]').waitFor();
      assert.equal(await page.locator('.item').count(), 1);
      await other.reload();
      await other.locator('input[name=password]').waitFor();

      await page.click('.menu a[href="/account/password"]');
      await page.fill('input[name=current]', person.password);
      await page.fill('input[name=new]', 'purple kettle on the roof');
      await page.click('main form button');
      await page.locator('[role=status]').waitFor();

      await page.click('.menu a[href="/account/export"]');
      const [download] = await Promise.all([page.waitForEvent('download'), page.click('main form button')]);
      assert.equal(download.suggestedFilename(), 'munjigi-account.json');
      assert.equal(JSON.parse(await readFile(await download.path(), 'utf8')).profile.email, person.email);

      await page.click('.menu a[href="/account/delete"]');
      await page.check('input[name=certain]');
      await page.click('main form button');
      await page.goto(`${server.issuer}/account/activity`);
      await signIn(page, { ...person, password: 'purple kettle on the roof' });
      await page.click('button[value=keep]');
      await page.waitForURL('**/account/activity');
      assert((await page.locator('.events').innerText()).includes(words.kept));
      assert.deepEqual(heard, []);
      await Promise.all([context.close(), elsewhere.close()]);
    });
});
