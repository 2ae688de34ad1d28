import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { CLIENT_ORIGIN, startBrowser, type TestBrowser } from '../support/browser.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { createReaching, createServiceClient, type Reaching } from '../support/linked.ts';
import { countRows } from '../support/storage.ts';
import { addProvider, startUpstream, type TestUpstream } from '../support/upstream.ts';

/** What a browser lets a page have: cookies of our site, and answers that say that they are for it. */
describe('A page that reaches a provider with the session, in a real browser', () => {
  let server: TestServer;
  let upstream: TestUpstream;
  let browser: TestBrowser;
  let page: Page;
  let reaching: Reaching;
  const sites: Server[] = [];
  let [trusted, untrusted] = ['', ''];

  /** A web app on another port of this host, which is the same site as ours. */
  async function site(): Promise<string> {
    const one = createServer((_request, response) =>
      response.setHeader('content-type', 'text/html').end('<!doctype html><title>app</title>'),
    );
    sites.push(one.listen(0, 'localhost'));
    await once(one, 'listening');
    return `http://localhost:${(one.address() as AddressInfo).port}`;
  }

  before(async () => {
    [server, upstream, browser, trusted, untrusted] = await Promise.all([
      startTestServer(),
      startUpstream(),
      startBrowser(),
      site(),
      site(),
    ]);
    await addProvider(server, upstream, { services: ['notes.read'] });
    reaching = await createReaching(server, upstream, { client: await createServiceClient(server, { origins: [trusted] }) });
    const context = await browser.person();
    await context.addCookies(
      reaching.browser.cookies().map((pair) => ({
        name: pair.slice(0, pair.indexOf('=')),
        value: pair.slice(pair.indexOf('=') + 1),
        url: server.issuer,
        sameSite: 'Lax' as const,
      })),
    );
    page = await context.newPage();
  });
  after(async () => {
    await Promise.all([server.close(), upstream.close(), browser.close()]);
    for (const one of sites) {
      one.closeAllConnections();
      one.close();
    }
  });

  /** @returns the answer as the page sees it, or what kept it from it. */
  const asPageAt = async (
    origin: string,
    path: string,
    body?: object,
  ): Promise<{ status?: number; body?: Record<string, unknown>; error?: string }> => {
    await page.goto(`${origin}/`);
    return page.evaluate(
      async ({ url, body }) => {
        try {
          const init = body ? { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) } : {};
          const response = await fetch(url, { credentials: 'include', ...init });
          return { status: response.status, body: await response.json() };
        } catch (error) {
          return { error: (error as Error).name };
        }
      },
      { url: server.issuer + path, body },
    );
  };
  const reached = () => countRows(server, `audit_event where type = 'service_reached'`);

  it('gets the token and the list of services where an operator trusts it', async () => {
    const { client_id } = reaching.client;
    const { status, body } = await asPageAt(trusted, '/services/far/token', { client_id });
    assert.equal(status, 200, JSON.stringify(body));
    assert.ok(upstream.isAlive(String(body?.['access_token'])));
    assert.equal(await reached(), 1);
    const listed = await asPageAt(trusted, `/services?client_id=${client_id}`);
    assert.deepEqual(listed.body, { services: [{ provider: 'far', name: 'Far', scopes: ['far:notes.read'], connected: true }] });
  });

  it('gets nothing anywhere else', async () => {
    const { client_id } = reaching.client;
    const before = await reached();
    for (const origin of [untrusted, CLIENT_ORIGIN]) {
      assert.deepEqual(await asPageAt(origin, '/services/far/token', { client_id }), { error: 'TypeError' });
      assert.deepEqual(await asPageAt(origin, `/services?client_id=${client_id}`), { error: 'TypeError' });
    }
    assert.equal(await reached(), before);
  });
});
