import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { startBrowser, type TestBrowser } from '../support/browser.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { register } from '../support/registration.ts';
import { openApp } from '../support/visitor.ts';

/** Clients that run in a page, in Chromium, at a page of localhost: what CORS, cookies and the page's own address decide. */

const MODULES = join(import.meta.dirname, '../../node_modules');
const FILES: Record<string, string> = { '/oidc-client-ts.js': 'oidc-client-ts/dist/browser/oidc-client-ts.min.js' };

let server: TestServer;
let browser: TestBrowser;
let user: { id: string; email: string; password: string; username: string };
before(async () => {
  [server, browser] = await Promise.all([startTestServer(), startBrowser()]);
  user = await server.createPerson();
});
after(() => Promise.all([server.close(), browser.close()]));

/** An application of one page, whose script sets `document.title` to what it has in the end. */
function pageOf(script: string): RequestListener {
  return async ({ url = '/' }, response) => {
    const { pathname } = new URL(url, 'http://localhost');
    const file = FILES[pathname];
    if (file) response.setHeader('content-type', 'text/javascript').end(await readFile(join(MODULES, file)));
    else response.setHeader('content-type', 'text/html').end(`<!doctype html><title>app</title><script type="module">${script}</script>`);
  };
}

/** Registers a public client at that page, signs in and presses Allow. @returns what the script says. */
async function use(script: (settings: { clientId: string; origin: string }) => string): Promise<Record<string, unknown>> {
  const app = await openApp(async (origin) => {
    const client = await register(server, {
      redirect_uris: [`${origin}/`],
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token'],
    });
    return pageOf(
      `try { ${script({ clientId: client.client_id, origin })} } catch (error) { document.title = JSON.stringify({ error: String(error) }) }`,
    );
  });
  const context = await browser.person();
  try {
    const page = await context.newPage();
    await page.goto(app.origin);
    await page.fill('input[name=email]', user.email);
    await page.fill('input[name=password]', user.password);
    await page.press('input[name=password]', 'Enter');
    await page.click('button[value=approve]');
    return await saidBy(page);
  } finally {
    await context.close();
    app.close();
  }
}

async function saidBy(page: Page): Promise<Record<string, unknown>> {
  await page.waitForFunction("document.title.startsWith('{')");
  return JSON.parse(await page.title());
}

describe('A client in a page', () => {
  it('(oidc-client-ts) signs in, reads userinfo across origins, and renews', async () => {
    const said = await use(
      ({ clientId, origin }) => `
        await new Promise((loaded) => document.head.append(Object.assign(document.createElement('script'), { src: '/oidc-client-ts.js', onload: loaded })));
        const manager = new oidc.UserManager({
          authority: '${server.issuer}', client_id: '${clientId}', redirect_uri: '${origin}/', scope: 'openid profile email', loadUserInfo: true,
        });
        if (!location.search) await manager.signinRedirect();
        else {
          const first = await manager.signinRedirectCallback();
          const next = await manager.signinSilent();
          document.title = JSON.stringify({ ...first.profile, renewed: next.access_token !== first.access_token });
        }`,
    );
    assert.deepEqual([said['sub'], said['email'], said['renewed']], [user.id, user.email, true], JSON.stringify(said));
  });
});
