import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { assertFieldsAreTied, assertFits, assertFormsNeedNoScript, assertKeyboardReaches, assertOneHeading } from '../support/access.ts';
import { CLIENT_CALLBACK, startBrowser, type TestBrowser } from '../support/browser.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { TOUR, type Visit } from '../support/tour.ts';

/** What the walk over every page does not ask (every-page.test.ts), and whether its checks find what they look for. */

describe('Accessibility', () => {
  let server: TestServer;
  let browser: TestBrowser;
  let visit: Visit;
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
    visit = { server, client, person };
  });
  after(() => Promise.all([server?.close(), browser?.close()]));

  it('the keyboard reaches everything in the order it is read, and shows where it is', async () => {
    const page = await (await browser.person()).newPage();
    await TOUR['consent']?.(page, visit);
    // The keyboard begins where the last click was: a page that is loaded anew begins at its beginning.
    await page.reload();
    const order: string[] = [];
    for (let tab = 0; tab < 11; tab++) {
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
      'Name and email',
      'approve_all',
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

  const faults: [what: string, check: (page: Page) => Promise<void>, body: string][] = [
    ['two headings', assertOneHeading, '<h1>a</h1><h1>b</h1>'],
    ['a button that only a script could hear', assertFormsNeedNoScript, '<button type="button">a</button>'],
    ['a form that nobody can send', assertFormsNeedNoScript, '<form><input name="a"></form>'],
    ['a focus that is not seen', assertKeyboardReaches, '<style>a { outline: none }</style><a href="/">a</a>'],
    ['what the keyboard does not reach', assertKeyboardReaches, '<a href="/">a</a><div inert><a href="/b">b</a></div>'],
    ['an error that is not tied to its field', assertFieldsAreTied, '<main><input aria-invalid="true" autocomplete="email"></main>'],
    ['an explanation that is not there', assertFieldsAreTied, '<main><input aria-describedby="gone" autocomplete="email"></main>'],
    ['a field that does not say what it is for', assertFieldsAreTied, '<main><input name="a"></main>'],
    ['an error that the title keeps silent about', assertFieldsAreTied, '<main><p role="alert">a</p></main>'],
    ['a box to tick that is too small', assertFits, '<input type="checkbox">'],
    ['a link of its own that is too small', assertFits, '<p style="font: 12px/1 serif"><a href="/">a</a></p>'],
    ['a page that is scrolled sideways', assertFits, '<p style="inline-size: 700px">a</p>'],
  ];
  for (const [what, check, body] of faults)
    it(`the check finds ${what}`, async () => {
      const context = await browser.person({ viewport: { width: 640, height: 640 } });
      const page = await context.newPage();
      await page.setContent(`<!doctype html><html lang="en"><title>a</title><body>${body}`);
      await assert.rejects(check(page), { code: 'ERR_ASSERTION' });
      await context.close();
    });
});
