import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import {
  assertFieldsAreTied,
  assertFits,
  assertFormsNeedNoScript,
  assertKeyboardReaches,
  assertLookPassesAxe,
  assertOneHeading,
  assertPassesAxe,
  setApart,
} from '../support/access.ts';
import { CLIENT_CALLBACK, startBrowser, type TestBrowser } from '../support/browser.ts';
import type { TestServer } from '../support/environment.ts';
import { backToEnglish, replaceEnglish, speaksIt, textsOf, unmarked } from '../support/pseudo-language.ts';
import { loadAgain, openSent, openTab, type Sent, type Tab } from '../support/tab.ts';
import type { Visit } from '../support/tour.ts';

replaceEnglish();
const { startTestServer } = await import('../support/environment.ts');
const { EVERY_PAGE } = await import('../support/every-page.ts');
const { SERVICE_TITLES } = await import('../support/tour-connect.ts');

/**
 * Every page, and every question about it, in one walk. A page is reached once, in the pseudo-language and without JavaScript. Then it is
 * loaded again from its address, with JavaScript and in Korean. Where the address gives another page, as after a form, the answer that
 * the server sent is opened with JavaScript, and the page is reached again in Korean.
 */
describe('Every page', () => {
  let server: TestServer;
  let browser: TestBrowser;
  let visit: Visit;
  /** Without JavaScript; with it; with it and in Korean. */
  let [plain, scripted, korean]: Tab[] = [];
  /** Sentences that stand in the database in both languages, and the name of the browser in a mail. */
  let data: string[];
  before(async () => {
    // One after the other: if the server did not start, nobody would close the browser, and the test would never end.
    browser = await startBrowser();
    server = await startTestServer({ environment: 'development' });
    const [client, person] = await Promise.all([
      server.createClient({
        client_name: `<s>Moonlight</s>`,
        redirect_uris: [CLIENT_CALLBACK],
        policy_uri: 'https://client.example/privacy?"<s>',
        tos_uri: 'https://client.example/terms',
      }),
      server.createPerson({ name: `<s>"길동" &amp; '홍'`, email: 'a.very.long.address.of.a.person@subdomain.people.example' }),
    ]);
    visit = { server, client, person };
    const viewport = { width: 320, height: 640 };
    plain = await openTab(await browser.person({ javaScriptEnabled: false }));
    scripted = await openTab(await browser.person({ viewport }));
    korean = await openTab(await browser.person({ locale: 'ko', viewport }));
    data = [
      ...(await server.sql('select title_en from scope')).map(({ title_en }) => String(title_en)),
      ...SERVICE_TITLES,
      'Chrome, Windows',
    ];
  });
  after(() => Promise.all([server?.close(), browser?.close()]));

  async function assertSpeaksPseudoLanguage(page: Page): Promise<void> {
    const { texts, shown } = await textsOf(page);
    assert(texts.some(speaksIt), 'the page speaks the language');
    assert.deepEqual(unmarked(texts, data), []);
    assert.deepEqual(
      shown.filter((text) => /Moonlight|길동/.test(text)),
      [],
      'a name is not set apart from the sentence it stands in (bdi)',
    );
    assert.equal(await page.locator('s').count(), 0, 'something is not escaped');
    assert(!/&amp;amp;|&lt;s&gt;/.test(await page.innerText('body')), 'something is escaped twice');
  }

  // Without the policy of the page before, which would hold for this one too.
  async function openContent(page: Page, content: string): Promise<void> {
    await page.goto('about:blank');
    await page.setContent(content);
  }

  for (const [name, reach] of Object.entries(EVERY_PAGE))
    describe(name, () => {
      let sent: Sent | undefined;
      let content: string | undefined;

      it('without JavaScript: is reached, is walked through by keyboard, and has room for text twice as large, or set apart', async () => {
        const { page, failures } = plain as Tab;
        await plain?.begin();
        await page.setViewportSize({ width: 640, height: 640 });
        await reach(page, visit);
        sent = await plain?.sent();
        content = await page.content();
        assert.deepEqual(failures, []);
        await assertOneHeading(page);
        await assertFieldsAreTied(page);
        await assertFormsNeedNoScript(page);
        await assertKeyboardReaches(page);
        await backToEnglish(page);
        await page.evaluate(() => document.documentElement.style.setProperty('font-size', '200%'));
        await assertFits(page);
        await page.evaluate(() => document.documentElement.style.removeProperty('font-size'));
        await page.setViewportSize({ width: 320, height: 640 });
        await setApart(page);
        await assertFits(page);
      });

      it('with JavaScript: has its words from the messages, escapes them, and has room for longer ones', async () => {
        const { page, failures } = scripted as Tab;
        assert(content, 'the page was not reached');
        await scripted?.begin(await plain?.page.context().cookies());
        if (!sent) await openContent(page, content);
        else if (!(await loadAgain(scripted as Tab, sent, 'en'))) await openSent(scripted as Tab, sent);
        assert.deepEqual(failures, []);
        await assertSpeaksPseudoLanguage(page);
        await assertFits(page);
      });

      it('in Korean: in light on a phone, in dark on a desktop', async () => {
        const { page, failures } = korean as Tab;
        await korean?.begin(await plain?.page.context().cookies());
        await page.emulateMedia({ colorScheme: 'light' });
        await page.setViewportSize({ width: 320, height: 640 });
        if (!sent || !(await loadAgain(korean as Tab, sent, 'ko'))) {
          await korean?.begin();
          await reach(page, visit);
        }
        assert.deepEqual(failures, []);
        await page.evaluate(() => document.fonts.ready);
        for (const fold of await page.locator('summary').all()) await fold.click();
        await assertOneHeading(page);
        await assertFits(page);
        await assertPassesAxe(page);
        await page.emulateMedia({ colorScheme: 'dark' });
        await page.setViewportSize({ width: 1280, height: 640 });
        await assertFits(page);
        await assertLookPassesAxe(page);
        // The page's own language is written from left to right, but not everybody's who may translate it.
        await page.evaluate(() => document.documentElement.setAttribute('dir', 'rtl'));
        await assertFits(page);
      });
    });

  it('finds words that are not from the messages, and what is not escaped', async () => {
    const page = await (await browser.person()).newPage();
    await page.setContent(`<html lang="en"><title>⟦a⟧</title><p>⟦b⟧ and c</p><s></s><input placeholder="d"><bdi>e</bdi>`);
    assert.deepEqual(unmarked((await textsOf(page)).texts, []), ['and c', 'd']);
    assert.equal(await page.locator('s').count(), 1);
    await page.context().close();
  });
});
