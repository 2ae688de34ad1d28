import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { extname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { startBrowser, type TestBrowser } from '../support/browser.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { register } from '../support/registration.ts';
import { openApp } from '../support/visitor.ts';

/** Clients that run in a page, in Chromium, at a page of localhost: what CORS, cookies and the page's own address decide. */

const MODULES = join(import.meta.dirname, '../../node_modules');
/** Where a page finds what its script imports: a page has no bundler here. */
const IMPORTS = {
  'oidc-client-ts': '/oidc-client-ts/dist/esm/oidc-client-ts.js',
  'jwt-decode': '/jwt-decode/build/esm/index.js',
  'angular-oauth2-oidc': '/angular-oauth2-oidc/fesm2022/angular-oauth2-oidc.mjs',
  '@angular/common': '/@angular/common/fesm2022/common.mjs',
  '@angular/common/http': '/@angular/common/fesm2022/http.mjs',
  '@angular/compiler': '/@angular/compiler/fesm2022/compiler.mjs',
  '@angular/core': '/@angular/core/fesm2022/core.mjs',
  '@angular/core/primitives/di': '/@angular/core/fesm2022/primitives-di.mjs',
  '@angular/core/primitives/event-dispatch': '/@angular/core/fesm2022/primitives-event-dispatch.mjs',
  '@angular/core/primitives/signals': '/@angular/core/fesm2022/primitives-signals.mjs',
  '@angular/platform-browser': '/@angular/platform-browser/fesm2022/platform-browser.mjs',
  rxjs: '/rxjs/dist/esm/index.js',
  'rxjs/operators': '/rxjs/dist/esm/operators/index.js',
  tslib: '/tslib/tslib.es6.mjs',
};

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
    if (pathname === '/')
      return response
        .setHeader('content-type', 'text/html')
        .end(
          `<!doctype html><title>app</title><script type="importmap">${JSON.stringify({ imports: IMPORTS })}</script><script type="module">${script}</script>`,
        );
    // RxJS leaves the ends of its files' names out.
    const file = join(MODULES, extname(pathname) ? pathname : `${pathname}.js`);
    const content = await readFile(file).catch(() => undefined);
    if (content) response.setHeader('content-type', 'text/javascript').end(content);
    else response.writeHead(404).end();
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
        const { UserManager } = await import('oidc-client-ts');
        const manager = new UserManager({
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

  it('(angular-oauth2-oidc) signs in, reads userinfo across origins, and renews', async () => {
    const said = await use(
      ({ clientId, origin }) => `
        await import('@angular/compiler');
        const { createApplication } = await import('@angular/platform-browser');
        const { provideHttpClient } = await import('@angular/common/http');
        const { OAuthService, provideOAuthClient } = await import('angular-oauth2-oidc');
        const app = await createApplication({ providers: [provideHttpClient(), provideOAuthClient()] });
        const service = app.injector.get(OAuthService);
        service.configure({
          issuer: '${server.issuer}', clientId: '${clientId}', redirectUri: '${origin}/', responseType: 'code', scope: 'openid profile email',
        });
        if (await service.loadDiscoveryDocumentAndLogin()) {
          const first = service.getAccessToken();
          const { info } = await service.loadUserProfile();
          const { email } = service.getIdentityClaims();
          await service.refreshToken();
          document.title = JSON.stringify({ sub: info.sub, email, renewed: service.getAccessToken() !== first });
        }`,
    );
    assert.deepEqual(said, { sub: user.id, email: user.email, renewed: true });
  });
});
