import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { BrowserContext } from 'playwright-core';
import { assertFits, assertLookPassesAxe, assertOneHeading, assertPassesAxe, failuresOf } from '../support/access.ts';
import { CLIENT_CALLBACK, startBrowser, type TestBrowser } from '../support/browser.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { EVERY_PAGE } from '../support/every-page.ts';
import { TOUR, type Visit } from '../support/tour.ts';

/** Every page to the eye, see support/access.ts; to the hand: without-script.test.ts. */

describe('Accessibility', () => {
  let server: TestServer;
  let browser: TestBrowser;
  let visit: Visit;
  /** One for all pages, so that fonts and styles are fetched once; each begins without cookies. */
  let context: BrowserContext;
  before(async () => {
    // One after the other: a browser whose server did not start would never be closed, and the test never end.
    browser = await startBrowser();
    server = await startTestServer({ environment: 'development' });
    const [client, person] = await Promise.all([
      server.createClient({
        client_name: 'Moonlight',
        redirect_uris: [CLIENT_CALLBACK],
        policy_uri: 'https://client.example/privacy',
        tos_uri: 'https://client.example/terms',
      }),
      server.createPerson({ email: 'a.very.long.address.of.a.person@subdomain.people.example' }),
    ]);
    // The other page of consent, of a client that registered itself, is that of one who is not.
    await server.sql(`update client set publisher = 'Moonlight Inc.', verified_at = now() where id = $1`, [client.client_id]);
    visit = { server, client, person };
    context = await browser.person({ locale: 'ko' });
  });
  after(() => Promise.all([server?.close(), browser?.close()]));

  // In Korean: the other tests that walk through all pages do so in English.
  for (const [name, reach] of Object.entries(EVERY_PAGE))
    it(`${name}: in light on a phone, in dark on a desktop`, async () => {
      await context.clearCookies();
      const page = await context.newPage();
      const failures = failuresOf(page);
      await reach(page, visit);
      assert.deepEqual(failures, []);
      await page.evaluate(() => document.fonts.ready);
      for (const fold of await page.locator('summary').all()) await fold.click();
      await assertOneHeading(page);
      for (const [colorScheme, width, passes] of [
        ['light', 320, assertPassesAxe],
        ['dark', 1280, assertLookPassesAxe],
      ] as const) {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize({ width, height: 640 });
        await assertFits(page);
        await passes(page);
      }
      // The page's own language is written from left to right, but not everybody's who may translate it.
      await page.evaluate(() => document.documentElement.setAttribute('dir', 'rtl'));
      await assertFits(page);
      await page.close();
    });

  it('the keyboard reaches everything in the order it is read, and shows where it is', async () => {
    const page = await (await browser.person()).newPage();
    await TOUR['consent']?.(page, visit);
    // The keyboard begins where the last click was: a page that is loaded anew begins at its beginning.
    await page.reload();
    const order: string[] = [];
    for (let tab = 0; tab < 10; tab++) {
      await page.keyboard.press('Tab');
      order.push(
        await page.evaluate(() => {
          const element = document.activeElement as HTMLElement;
          return getComputedStyle(element).outlineStyle === 'none'
            ? `unseen ${element.outerHTML}`
            : element.getAttribute('value') || element.innerText;
        }),
      );
    }
    assert.deepEqual(order, [
      'Skip to content',
      '한국어',
      'Not you?',
      'email',
      'restricted',
      'Any time, in your account',
      'deny',
      'approve',
      'Privacy policy',
      'Terms of service',
    ]);
    await page.context().close();
  });

  it('Korean is set in the font that is served with the page', async () => {
    const page = await (await browser.person({ locale: 'ko-KR' })).newPage();
    await TOUR['sign-in']?.(page, visit);
    const loaded = await page.evaluate(async () => {
      await document.fonts.ready;
      return [...document.fonts].filter(({ status }) => status === 'loaded').map(({ family }) => family);
    });
    assert(loaded.length > 0);
    assert(loaded.every((family) => /Pretendard Variable/.test(family)));
    assert(await page.evaluate(() => document.fonts.check('16px "Pretendard Variable"', '로그인 비밀번호')));
    await page.context().close();
  });
});
