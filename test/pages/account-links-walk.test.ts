import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ageSignIns, eventsOf } from '../support/account.ts';
import { complaints, startBrowser, type TestBrowser } from '../support/browser.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { addProvider, startUpstream, type TestUpstream } from '../support/upstream.ts';
import { nobodyKnown } from '../support/upstream-link.ts';
import { openAccountPage, signIn } from '../support/visiting.ts';

/** A person links an account elsewhere and ends that again in a real browser: what our own policy refuses, and which cookies come along, shows there alone. */

const WORDS = {
  ko: { none: '연결된 계정이 없어요.', link: 'Far 계정 연결하기', unlink: '연결 해제하기', again: '아직 바뀐 것은 없어요.' },
  en: { none: 'You have no linked accounts.', link: 'Link Far', unlink: 'Unlink', again: 'Nothing was changed yet.' },
};

describe('A walk to a provider and back', () => {
  let server: TestServer;
  let browser: TestBrowser;
  let upstream: TestUpstream;
  before(async () => {
    [server, browser, upstream] = await Promise.all([startTestServer(), startBrowser(), startUpstream()]);
    await addProvider(server, upstream, { id: 'far', name: 'Far', signIn: false });
  });
  after(() => Promise.all([server.close(), browser.close(), upstream.close()]));

  for (const [locale, words] of Object.entries(WORDS))
    it(`in ${locale}, without JavaScript: linked from the page, and unlinked again`, async () => {
      const person = await server.createPerson();
      nobodyKnown(upstream, `walker-${locale}`);
      const context = await browser.person({ locale, javaScriptEnabled: false });
      const page = await context.newPage();
      const heard = complaints(page);
      await openAccountPage(page, { server, person }, '/account');
      await page.click('a[href="/account/links"]');
      assert((await page.locator('main').innerText()).includes(words.none));

      // A while later: who is at the browser is asked first, and then for the choice once more.
      await ageSignIns(server, 3_600);
      await page.click(`a:has-text("${words.link}")`);
      await signIn(page, person);
      assert((await page.locator('[role=status]').innerText()).includes(words.again));
      await page.click(`a:has-text("${words.link}")`);
      await page.locator('.item').waitFor();
      assert.equal(page.url(), `${server.issuer}/account/links?done`, 'what the provider answered is not left in the address');
      assert((await page.locator('.item').innerText()).includes(`walker-${locale}@far.example`));

      await page.click(`button:has-text("${words.unlink}")`);
      await page.locator('.item').waitFor({ state: 'detached' });
      assert((await page.locator('main').innerText()).includes(words.none));
      assert.deepEqual(await eventsOf(server, person.id), ['identity_unlinked', 'identity_linked']);
      assert.deepEqual(heard, []);
      await context.close();
    });

  it('comes back by a form of the provider’s page, which brings no cookies, with the press of a button', async () => {
    const person = await server.createPerson();
    nobodyKnown(upstream, 'walker-by-form');
    const context = await browser.person({ javaScriptEnabled: false });
    const page = await context.newPage();
    upstream.wishes = { postsBack: true };
    await openAccountPage(page, { server, person }, '/account/links');
    await page.click('a:has-text("Link Far")');
    await page.click('button:has-text("Yes")');
    await page.locator('.item').waitFor();
    assert.equal(page.url(), `${server.issuer}/account/links?done`);
    assert.deepEqual(await eventsOf(server, person.id), ['identity_linked']);
    await context.close();
  });
});
