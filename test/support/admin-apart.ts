import assert from 'node:assert/strict';
import { showTwoFactors } from './admin.ts';
import { freePort, startTestServer, type TestServer } from './environment.ts';
import type { Credentials } from './flow.ts';
import { type Page, Person } from './person.ts';

/** Administration on a listener of its own, and a browser that goes to and fro between it and the issuer. */

export type AdminServer = TestServer & { origin: string };

export async function startApart(overrides: Parameters<typeof startTestServer>[0] = {}): Promise<AdminServer> {
  const adminPort = await freePort();
  const server = await startTestServer({ environment: 'production', adminPort, ...overrides });
  return { ...server, origin: String(server.config.adminOrigin) };
}

export class TwoOrigins {
  readonly issuer: Person;
  readonly admin: Person;

  constructor({ issuer, origin }: Pick<AdminServer, 'issuer' | 'origin'>) {
    this.issuer = new Person(issuer);
    this.admin = new Person(origin);
  }

  /** Opens a page of administration, and follows where it leads. */
  async open(path: string, init: RequestInit = {}): Promise<Page> {
    return this.follow(await this.admin.open(path, init));
  }

  /** Goes on while a page is a redirect to the other origin. */
  async follow(page: Page): Promise<Page> {
    for (let hops = 0; hops < 10 && !page.html; hops++) {
      const next = [this.issuer, this.admin].find(({ issuer }) => issuer === page.url.origin);
      if (!next || (page.person === next && !page.response.headers.get('location'))) break;
      page = await next.open(page.url.href);
    }
    return page;
  }

  async submit(page: Page, fields: Record<string, string>): Promise<Page> {
    return this.follow(await page.submit(fields));
  }

  /** Sends a form of a page, wherever on it: with its token. */
  async send(page: Page, path: string, fields: Record<string, string> = {}, headers: Record<string, string> = {}): Promise<Page> {
    const csrf = /name="csrf" value="([^"]+)"/.exec(page.html)?.[1];
    assert(csrf, `no form at ${page.url}`);
    return this.open(path, {
      method: 'POST',
      body: new URLSearchParams({ csrf, ...fields }),
      headers: { 'sec-fetch-site': 'same-origin', ...headers },
    });
  }
}

/** Signs somebody in to administration, by a password and what counts as a second factor. @returns the browser, at the page. */
export async function enterApart(server: AdminServer, credentials: Credentials & { id: string }, path = '/admin') {
  const browser = new TwoOrigins(server);
  const account = await browser.issuer.open('/account');
  await account.submit({ email: credentials.email, password: credentials.password });
  await showTwoFactors(server, credentials.id);
  return { browser, page: await browser.open(path) };
}
