import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Credentials } from './flow.ts';
import { type Page, Person } from './person.ts';

/**
 * A browser without JavaScript whose user only signs in and presses Allow: no box is ticked or cleared.
 * It keeps cookies for each origin, and follows redirects between this server and applications on loopback.
 */
export class Visitor {
  readonly #people = new Map<string, Person>();
  readonly #issuer: string;
  readonly #credentials: Credentials;

  constructor(issuer: string, credentials: Credentials) {
    this.#issuer = issuer;
    this.#credentials = credentials;
  }

  /** This user's browser at one origin, with the cookies of that origin. */
  at(origin: string): Person {
    const known = this.#people.get(origin) ?? new Person(origin);
    this.#people.set(origin, known);
    return known;
  }

  /** @returns the first page that is neither a redirect nor a sign-in or consent page; a redirect that leaves loopback is returned unfollowed. */
  async visit(address: string): Promise<Page> {
    const { origin } = new URL(address);
    return this.goOn(await this.at(origin).open(address));
  }

  /** The same for a client that does not listen. @returns the address that the browser would open at the client. */
  async answerTo(address: string): Promise<URL> {
    return (await this.goOn(await this.at(this.#issuer).open(address), false)).url;
  }

  /** Continues from a page that this browser has open. */
  async goOn(from: Page, openApps = true): Promise<Page> {
    let page = from;
    for (let steps = 0; steps < 12; steps++) {
      const { origin, hostname, href } = page.url;
      const left = origin !== new URL(page.person.issuer).origin;
      if (left && !(openApps && ['localhost', '127.0.0.1'].includes(hostname))) return page;
      if (left) page = await this.at(origin).open(href);
      else if (origin === this.#issuer && page.html.includes('name="password"')) page = await page.submit(this.#credentials);
      else if (origin === this.#issuer && page.html.includes('id="user_code"'))
        page = await page.submit({ user_code: page.url.searchParams.get('user_code') ?? '' });
      else if (origin === this.#issuer && page.html.includes('value="approve"')) page = await page.submit({ decision: 'approve' });
      else if (origin === this.#issuer && page.html.includes('name="user_code"')) page = await page.submit({ user_code: shownCode(page) });
      else if (page.html.includes('document.forms[0].submit()')) page = await this.#post(page);
      // The page that holds an error for an app which nobody verified (RFC 9700 section 4.11.2): the user goes back.
      else if (origin === this.#issuer && /<form method="post"[^>]*>\s*<input type="hidden" name="error"/.test(page.html))
        page = await this.#post(page);
      // An application that is an authorization server itself asks by a page of its own.
      else if (page.html.includes('name="action" value="approve"')) page = await this.#post(page, { action: 'approve' });
      else return page;
    }
    assert.fail(`no end at ${page.url}`);
  }

  /** Sends the form of an application's page. The script of a form_post page does so (OAuth 2.0 Form Post Response Mode section 2). */
  #post(page: Page, fields: Record<string, string> = {}): Promise<Page> {
    const { action, hidden } = page.form();
    const { origin, href } = new URL(action, page.url);
    return this.at(origin).open(href, { method: 'POST', body: new URLSearchParams({ ...hidden, ...fields }) });
  }
}

/** The code that a device's address has put into the form (RFC 8628 section 3.3.1): the user presses Continue. */
const shownCode = ({ html }: Page): string => /name="user_code"[^>]* value="([^"]*)"/.exec(html)?.[1] ?? '';

export type LoopbackApp = { origin: string; close(): void };

/** Serves an application at a free port of localhost. @param make receives its origin, which its redirect URI needs. */
export async function openApp(make: (origin: string) => RequestListener | Promise<RequestListener>): Promise<LoopbackApp> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://localhost:${(server.address() as AddressInfo).port}`;
  server.on('request', await make(origin));
  return {
    origin,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
