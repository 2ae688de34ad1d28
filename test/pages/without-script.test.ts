import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { BrowserContext, Page } from 'playwright-core';
import {
  assertFieldsAreTied,
  assertFits,
  assertFormsNeedNoScript,
  assertKeyboardReaches,
  assertOneHeading,
  failuresOf,
  setApart,
} from '../support/access.ts';
import { CLIENT_CALLBACK, startBrowser, type TestBrowser } from '../support/browser.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { EVERY_PAGE } from '../support/every-page.ts';
import type { Visit } from '../support/tour.ts';

describe('Every page, without JavaScript', () => {
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
      server.createClient({ client_name: 'Moonlight', redirect_uris: [CLIENT_CALLBACK], tos_uri: 'https://client.example/terms' }),
      server.createPerson(),
    ]);
    visit = { server, client, person };
    context = await browser.person({ javaScriptEnabled: false });
  });
  after(() => Promise.all([server?.close(), browser?.close()]));

  for (const [name, reach] of Object.entries(EVERY_PAGE))
    it(`${name}: is reached, is walked through by keyboard, and has room for text twice as large, or set apart`, async () => {
      await context.clearCookies();
      const page = await context.newPage();
      await page.setViewportSize({ width: 640, height: 640 });
      const failures = failuresOf(page);
      await reach(page, visit);
      assert.deepEqual(failures, []);
      await assertOneHeading(page);
      await assertFieldsAreTied(page);
      await assertFormsNeedNoScript(page);
      await assertKeyboardReaches(page);
      await page.evaluate(() => document.documentElement.style.setProperty('font-size', '200%'));
      await assertFits(page);
      await page.evaluate(() => document.documentElement.style.removeProperty('font-size'));
      await page.setViewportSize({ width: 320, height: 640 });
      await setApart(page);
      await assertFits(page);
      await page.close();
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
