import assert from 'node:assert/strict';
import { load } from 'cheerio/slim';
import { CookieJar } from 'tough-cookie';

/**
 * A person at a browser without JavaScript: keeps cookies, follows our own redirects, fills in our forms,
 * and stops where a redirect leaves for a client.
 */
export class Person {
  #jar = new CookieJar();
  /** The origin that this browser stays at. */
  readonly issuer: string;
  headers: Record<string, string> = {};
  /** Whether they press the way back to an app that an error leads to, where a page of ours asks first. */
  goesOn = true;

  constructor(issuer: string) {
    this.issuer = issuer;
  }

  /** One request, no redirect followed. Paths are relative to the issuer. */
  async request(path: string, init: RequestInit = {}): Promise<Response> {
    const url = new URL(path, this.issuer);
    const cookie = this.#jar.getCookieStringSync(url.href);
    const response = await fetch(url, {
      redirect: 'manual',
      ...init,
      headers: { accept: 'text/html', ...this.headers, ...(cookie ? { cookie } : {}), ...(init.headers as Record<string, string>) },
    });
    for (const line of response.headers.getSetCookie()) this.#jar.setCookieSync(line, url.href);
    return response;
  }

  /** Follows redirects, and pages that go on by themselves, while they stay with us. @returns the page, or the redirect to somebody else. */
  async open(path: string, init: RequestInit = {}): Promise<Page> {
    let response = await this.request(path, init);
    let at = new URL(path, this.issuer);
    for (let hops = 0; hops < 10; hops++) {
      // A page may go on by itself, see http/redirects.ts.
      const location = response.headers.get('location') ?? response.headers.get('refresh')?.replace(/^0; url=/, '');
      if (!location) break;
      const next = new URL(location, at);
      if (next.origin !== this.issuer) return new Page(this, next, response, '');
      await response.body?.cancel();
      at = next;
      response = await this.request(next.href);
    }
    const html = await response.text();
    const back = this.goesOn && /^\/(oauth\/authorize|interaction)(\/|$)/.test(at.pathname) ? wayBackOn(html) : undefined;
    return new Page(this, back ? new URL(back) : at, response, html);
  }

  cookies(): string[] {
    return this.#jar.getCookiesSync(this.issuer, { allPaths: true }).map((cookie) => cookie.cookieString());
  }

  /** Another one with the cookies of now: what comes to it, this one never got. */
  twin(): Person {
    const twin = new Person(this.issuer);
    twin.headers = this.headers;
    twin.#jar = CookieJar.deserializeSync(this.#jar.toJSON() ?? assert.fail());
    return twin;
  }

  setCookie(name: string, value: string, path = '/'): void {
    this.#jar.setCookieSync(`${name}=${value}; path=${path}`, this.issuer);
  }
}

/** What a person sees: a page of ours, or an address of somebody else's that the browser was sent to. */
export class Page {
  readonly person: Person;
  readonly url: URL;
  readonly response: Response;
  readonly html: string;

  constructor(person: Person, url: URL, response: Response, html: string) {
    this.person = person;
    this.url = url;
    this.response = response;
    this.html = html;
  }

  /** The first form's address and its hidden fields. */
  form(): { action: string; hidden: Record<string, string> } {
    const form = load(this.html)('form').first();
    const action = form.attr('action');
    assert(action !== undefined, `no form at ${this.url}: ${this.html.slice(0, 300)}`);
    const hidden = form.find('input[type=hidden]').serializeArray();
    return { action, hidden: Object.fromEntries(hidden.map(({ name, value }) => [name, value])) };
  }

  /** Submits that form as a browser does. */
  submit(fields: Record<string, string | string[]>, headers: Record<string, string> = {}): Promise<Page> {
    const { action, hidden } = this.form();
    const body = new URLSearchParams();
    for (const [name, values] of Object.entries({ ...hidden, ...fields })) for (const value of [values].flat()) body.append(name, value);
    return this.person.open(action, { method: 'POST', body, headers: { 'sec-fetch-site': 'same-origin', ...headers } });
  }

  get optionalScopes(): string[] {
    return load(this.html)('input[type=checkbox][name=scope]')
      .map((_, box) => box.attribs['value'])
      .get();
  }
}

/** Where the way back leads on the page that comes before an error leaves for an app. */
export function wayBackOn(html: string): string | undefined {
  const address = load(html)('ul.ways > li > a.button.wide').attr('href');
  return address && /^[a-z][a-z0-9+.-]*:.*[?#;]error=/i.test(address) ? address : undefined;
}
