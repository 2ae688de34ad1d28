import type { BrowserContext, Page } from 'playwright-core';
import { failuresOf } from './access.ts';

/**
 * A tab of a browser that goes through many pages. A new tab for each page would cost a new process each time. A page begins without
 * cookies, and with no request intercepted.
 */
export type Tab = {
  page: Page;
  /** Answers of 500 and above since the page began. */
  failures: string[];
  /** Forgets the page before. @param cookies with which the next page begins. */
  begin(cookies?: Awaited<ReturnType<BrowserContext['cookies']>>): Promise<void>;
  /** The page as the server sent it; undefined when the page did not come from the server. */
  sent(): Promise<Sent | undefined>;
};

/** What the server sent for a page: enough to open the page again, in another browser. */
export type Sent = {
  method: string;
  url: string;
  status: number;
  headers: Record<string, string>;
  body: string;
};

export async function openTab(context: BrowserContext): Promise<Tab> {
  const page = await context.newPage();
  const failures = failuresOf(page);
  let last: Awaited<ReturnType<Page['goto']>> | undefined;
  page.on('response', (response) => {
    const isPage = response.request().isNavigationRequest() && response.frame() === page.mainFrame();
    if (isPage && response.status() !== 204 && !response.headers()['location']) last = response;
  });
  return {
    page,
    failures,
    async begin(cookies = []) {
      failures.length = 0;
      last = undefined;
      await page.unrouteAll();
      await context.clearCookies();
      if (cookies.length) await context.addCookies(cookies);
    },
    async sent() {
      if (!last || withoutHash(last.url()) !== withoutHash(page.url())) return undefined;
      const { 'content-encoding': _, 'content-length': __, 'set-cookie': ___, ...headers } = await last.allHeaders();
      return { method: last.request().method(), url: page.url(), status: last.status(), headers, body: await last.text() };
    },
  };
}

/** Opens a page as the server sent it to another tab. It stays there: the browser goes nowhere else. */
export async function openSent({ page }: Tab, { url, status, headers, body }: Sent): Promise<void> {
  let opened = false;
  await page.route('**/*', (route) => {
    if (!route.request().isNavigationRequest()) return route.continue();
    if (opened) return route.fulfill({ status: 204 });
    opened = true;
    return route.fulfill({ status, headers, body });
  });
  await page.goto(url);
}

/** Loads a page again from its address, in a language. @returns false, and loads nothing, when the address gives another page now. */
export async function loadAgain({ page }: Tab, { method, url, status, body }: Sent, language: string): Promise<boolean> {
  if (method !== 'GET') return false;
  // Asked without the browser first: another page may go on by itself.
  const answer = await page.request.get(url, { headers: { accept: 'text/html', 'accept-language': language }, maxRedirects: 0 });
  if (answer.status() !== status || answer.headers()['content-language'] !== language) return false;
  if (shapeOf(await answer.text()) !== shapeOf(body)) return false;
  await page.goto(url);
  return true;
}

// Of what elements a page is made. The list of languages stands before `main`: it differs by language.
const shapeOf = (html: string) =>
  html
    .slice(html.indexOf('<main'))
    .match(/<\/?[a-z][^\s>]*|\s(?:id|name|type)="[^"]*"/g)
    ?.join('');

const withoutHash = (url: string) => url.replace(/#.*/, '');
