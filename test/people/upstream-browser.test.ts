import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { BrowserContext, Page } from 'playwright-core';
import { CLIENT_CALLBACK, complaints, startBrowser, type TestBrowser } from '../support/browser.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { authorizePath, pkce, type TestClient } from '../support/flow.ts';
import { addProvider, startUpstream, type TestUpstream } from '../support/upstream.ts';

type Back = (answer: URL, response: ServerResponse) => void;

/** What a browser alone decides: whether our policy lets the way there and back through, and whether our cookies come along from another site. */
describe('Signing in by a provider, in a browser', () => {
  let server: TestServer;
  let browser: TestBrowser;
  let client: TestClient;
  let upstream: TestUpstream;
  let context: BrowserContext;
  let page: Page;
  let heard: string[];
  let answerWith: Back;
  // Where the provider meets people. To a browser 127.0.0.1 is another site, which `localhost` at another port is not.
  const site = createServer(async ({ url }, response) => {
    const asked = await fetch(`${upstream.issuer}${url}`, { redirect: 'manual' });
    const location = asked.headers.get('location');
    if (location) answerWith(new URL(location), response);
    else response.writeHead(404).end();
  });

  before(async () => {
    browser = await startBrowser();
    server = await startTestServer();
    client = await server.createClient({ redirect_uris: [CLIENT_CALLBACK] });
    upstream = await startUpstream('oauth2');
    const at = (path: string) => `${upstream.issuer}${path}`;
    site.listen(0, '127.0.0.1');
    await once(site, 'listening');
    const { port } = site.address() as AddressInfo;
    const endpoints = { authorization: `http://127.0.0.1:${port}/authorize`, token: at('/token'), userinfo: at('/userinfo') };
    await addProvider(server, upstream, { endpoints });
  });
  beforeEach(async () => {
    context = await browser.person();
    page = await context.newPage();
    heard = complaints(page);
  });
  after(async () => {
    await browser?.close();
    await server?.close();
    await upstream?.close();
    site.closeAllConnections();
    site.close();
  });

  /** @param back with what the browser is given there, once its person has said yes. */
  async function signUp(person: Record<string, unknown> & { sub: string }, back: Back) {
    upstream.person = { name: '여행자', email: `${person.sub}@far.example`, email_verified: true, ...person };
    answerWith = back;
    const { code_verifier: _, ...challenge } = pkce();
    await page.goto(server.issuer + authorizePath(client, challenge));
    await page.click('a[href$="/upstream/far"]');
    const form = page.getByRole('button', { name: 'Continue' });
    await form.or(page.locator('input[name=agree]')).waitFor();
    if (await form.isVisible()) await form.click();
    await page.locator('input[name=agree]').waitFor();
    assert.equal(await page.inputValue('input[name=name]'), '여행자');
    await page.check('input[name=agree]');
    await page.click('main button[type=submit]');
    await page.click('button[value=approve]');
    await page.waitForURL(`${CLIENT_CALLBACK}?**`);
    assert.ok(browser.arrivals.at(-1)?.parameters.get('code'));
    assert.deepEqual(heard, []);
    assert.equal((await server.sql('select 1 from upstream_identity where subject = $1', [person.sub])).length, 1);
    await context.close();
  }

  it('the button, the provider, back, what it told, consent, and the app has its code', () =>
    signUp({ sub: 'by-redirect' }, (answer, response) => response.writeHead(302, { location: answer.href }).end()));

  it('the same where the provider answers with a form from its own site, to which no cookie of ours comes', () =>
    signUp({ sub: 'by-form' }, (answer, response) => {
      const fields = [...answer.searchParams].map(([name, value]) => `<input type="hidden" name="${name}" value="${value}">`);
      const form = `<form method="post" action="${answer.origin}${answer.pathname}">${fields.join('')}<button>Continue</button></form>`;
      response.writeHead(200, { 'content-type': 'text/html' }).end(`<!doctype html><link rel="icon" href="data:,">${form}`);
    }));
});
