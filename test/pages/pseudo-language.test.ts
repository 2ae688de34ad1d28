import assert from 'node:assert/strict';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { after, before, describe, it } from 'node:test';
import type { BrowserContext, Page } from 'playwright-core';
import { assertFits, failuresOf } from '../support/access.ts';
import { CLIENT_CALLBACK, startBrowser, type TestBrowser } from '../support/browser.ts';
import type { TestServer } from '../support/environment.ts';
import type { Visit } from '../support/tour.ts';

/**
 * A language of this test's own in the place of English: every sentence stands between marks, is half as long again, and has an element
 * in it that is one only where a view does not escape. What stands on a page outside of the marks came from somewhere else.
 */

const [OPEN, CLOSE] = ['⟦', '⟧'];

// The file as it is read at the start; whoever reads it must not have done so yet.
const read = fs.readFileSync;
fs.readFileSync = ((path: string, ...how: []) => {
  const text = read(path, ...how) as unknown as string;
  if (!/views.messages.en\.json$/.test(String(path))) return text;
  const messages: Record<string, string> = JSON.parse(String(text));
  return JSON.stringify(Object.fromEntries(Object.entries(messages).map(([key, message]) => [key, marked(message)])));
}) as unknown as typeof read;
syncBuiltinESMExports();
const { startTestServer } = await import('../support/environment.ts');
const { EVERY_PAGE } = await import('../support/every-page.ts');
const { SERVICE_TITLES } = await import('../support/tour-connect.ts');

function marked(message: string): string {
  const longer = ' ~~~~'.repeat(Math.ceil(message.length / 10));
  return `${OPEN}${message}${longer} <s>&amp;"${CLOSE}`;
}

describe('Every page in a pseudo-language', () => {
  let server: TestServer;
  let browser: TestBrowser;
  let visit: Visit;
  /** One for all pages, so that fonts and styles are fetched once; each begins without cookies. */
  let context: BrowserContext;
  let data: string[];
  before(async () => {
    // One after the other: a browser whose server did not start would never be closed, and the test never end.
    browser = await startBrowser();
    server = await startTestServer({ environment: 'development' });
    const [client, person] = await Promise.all([
      server.createClient({
        client_name: `<s>Moonlight</s>`,
        redirect_uris: [CLIENT_CALLBACK],
        policy_uri: 'https://client.example/privacy?"<s>',
        tos_uri: 'https://client.example/terms',
      }),
      server.createPerson({ name: `<s>"길동" &amp; '홍'` }),
    ]);
    visit = { server, client, person };
    context = await browser.person({ viewport: { width: 320, height: 640 } });
    // Sentences that stand in the database, in both languages, because scopes do; and what the letter says of a browser.
    data = [
      ...(await server.sql('select title_en from scope')).map(({ title_en }) => String(title_en)),
      ...SERVICE_TITLES,
      'Chrome, Windows',
    ];
  });
  after(() => Promise.all([server?.close(), browser?.close()]));

  for (const [name, reach] of Object.entries(EVERY_PAGE))
    it(`${name}: has its words from the messages, escapes them, and has room for longer ones`, async () => {
      await context.clearCookies();
      const page = await context.newPage();
      const failures = failuresOf(page);
      await reach(page, visit);
      assert.deepEqual(failures, []);
      const { texts, shown } = await textsOf(page);
      assert(
        texts.some((text) => text.includes(OPEN)),
        'the page speaks the language',
      );
      assert.deepEqual(
        texts.map((text) => unmarked(text, data)).filter((rest) => /\p{L}/u.test(rest)),
        [],
      );
      assert.deepEqual(
        shown.filter((text) => /Moonlight|길동/.test(text)),
        [],
        'a name is not set apart from the sentence it stands in (bdi)',
      );
      assert.equal(await page.locator('s').count(), 0, 'something is not escaped');
      assert(!/&amp;amp;|&lt;s&gt;/.test(await page.innerText('body')), 'something is escaped twice');
      await assertFits(page);
      await page.close();
    });

  it('finds words that are not from the messages, and what is not escaped', async () => {
    const page = await (await browser.person()).newPage();
    await page.setContent(
      `<html lang="en"><title>${OPEN}a${CLOSE}</title><p>${OPEN}b${CLOSE} and c</p><s></s><input placeholder="d"><bdi>e</bdi>`,
    );
    assert.deepEqual(
      (await textsOf(page)).texts.map((text) => unmarked(text, [])).filter((rest) => /\p{L}/u.test(rest)),
      ['and c', 'd'],
    );
    assert.equal(await page.locator('s').count(), 1);
    await page.context().close();
  });
});

/** Whatever a person reads or is read, and of that what is shown on the page; but for names and addresses of somebody (`bdi`), times, code, and what is in another language. */
function textsOf(page: Page): Promise<{ texts: string[]; shown: string[] }> {
  return page.evaluate(() => {
    const { lang } = document.documentElement;
    const foreign = (element: Element) =>
      element.closest('bdi, option, time, code, script, noscript, style, [aria-hidden=true]') !== null ||
      (element.closest('[lang]')?.getAttribute('lang') ?? lang) !== lang;
    const texts = [document.title];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const paragraphs = new Map<Element, string>();
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const element = node.parentElement as Element;
      if (!foreign(element)) paragraphs.set(element, (paragraphs.get(element) ?? '') + node.textContent);
    }
    const shown = [...paragraphs.values()];
    texts.push(...shown);
    for (const element of document.querySelectorAll('*'))
      for (const name of ['alt', 'title', 'placeholder', 'aria-label', 'aria-description', 'aria-roledescription'])
        if (element.hasAttribute(name) && !foreign(element)) texts.push(String(element.getAttribute(name)));
    for (const button of document.querySelectorAll<HTMLInputElement>('input[type=submit], input[type=button]')) texts.push(button.value);
    return { texts, shown };
  });
}

/** What is left of a text without what stands between marks, one within another too, addresses, and what is known not to be ours. */
function unmarked(text: string, known: string[]): string {
  let [rest, before] = [text, ''];
  while (rest !== before) [rest, before] = [rest.replace(/⟦[^⟦⟧]*⟧/g, ''), rest];
  for (const phrase of known) rest = rest.replaceAll(phrase, '');
  return rest.replace(/https?:\/\/\S+/g, '').trim();
}
