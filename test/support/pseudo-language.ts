import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import type { Page } from 'playwright-core';

/**
 * A pseudo-language in place of English: every sentence stands between marks, is half as long again, and contains an element that a
 * browser sees only where a view does not escape. Text outside the marks did not come from the messages.
 */

const [OPEN, CLOSE] = ['⟦', '⟧'];

/** Replaces English in this process. Call it before src/http/render.ts is loaded, which reads the messages once. */
export function replaceEnglish(): void {
  const read = fs.readFileSync;
  fs.readFileSync = ((path: string, ...how: []) => {
    const text = read(path, ...how) as unknown as string;
    if (!/views.messages.en\.json$/.test(String(path))) return text;
    const messages: Record<string, string> = JSON.parse(String(text));
    return JSON.stringify(Object.fromEntries(Object.entries(messages).map(([key, message]) => [key, marked(message)])));
  }) as unknown as typeof read;
  syncBuiltinESMExports();
}

export function marked(message: string): string {
  const longer = ' ~~~~'.repeat(Math.ceil(message.length / 10));
  return `${OPEN}${message}${longer} <s>&amp;"${CLOSE}`;
}

/** Turns a page of the pseudo-language into the same page in English, as long as it is there. */
export async function backToEnglish(page: Page): Promise<void> {
  await page.evaluate(() => {
    const plain = (text: string) => text.replace(/⟦|(?: ~~~~)+ <s>&amp;"⟧/g, '');
    const walker = document.createTreeWalker(document, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
    for (let node = walker.nextNode(); node; node = walker.nextNode())
      if (!(node instanceof Element)) node.textContent = plain(String(node.textContent));
      else for (const attribute of node.attributes) if (attribute.value.includes('⟧')) attribute.value = plain(attribute.value);
  });
}

/** Whether a text has a sentence of the pseudo-language in it. */
export const speaksIt = (text: string) => text.includes(OPEN);

/** What is left of texts without what stands between marks (one pair within another too), addresses, and phrases known to be data. */
export function unmarked(texts: string[], data: string[]): string[] {
  return texts.map((text) => remainder(text, data)).filter((rest) => /\p{L}/u.test(rest));
}

function remainder(text: string, data: string[]): string {
  let [rest, before] = [text, ''];
  while (rest !== before) [rest, before] = [rest.replace(/⟦[^⟦⟧]*⟧/g, ''), rest];
  for (const phrase of data) rest = rest.replaceAll(phrase, '');
  return rest.replace(/https?:\/\/\S+/g, '').trim();
}

/**
 * Every text that a user reads, or hears from a screen reader; `shown` is the part of it that stands on the page. Left out are names and
 * addresses of users (`bdi`), times, code, and text in another language.
 */
export function textsOf(page: Page): Promise<{ texts: string[]; shown: string[] }> {
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
