import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { CLIENT_CALLBACK, complaints, startBrowser, type TestBrowser } from '../support/browser.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { authorizePath, pkce, redeem, type TestClient, type Tokens } from '../support/flow.ts';
import { createServiceClient } from '../support/linked.ts';
import { signIn } from '../support/tour.ts';
import { addProvider, startUpstream, type TestUpstream } from '../support/upstream.ts';

const { code_verifier, ...challenge } = pkce();

describe('Connecting services, in a browser', () => {
  let server: TestServer;
  let browser: TestBrowser;
  let far: TestUpstream;
  let near: TestUpstream;
  let client: TestClient;

  before(async () => {
    [server, browser, far, near] = await Promise.all([startTestServer(), startBrowser(), startUpstream(), startUpstream('oauth2')]);
    await addProvider(server, far, { services: ['notes.read', 'notes.write'] });
    await addProvider(server, near, { id: 'near', name: 'Near', services: ['photos'] });
    client = await createServiceClient(server, { services: ['far', 'near'], redirect_uris: [CLIENT_CALLBACK], client_name: 'Notebook' });
  });
  after(() => Promise.all([server.close(), browser.close(), far.close(), near.close()]));
  beforeEach(() => {
    far.wishes = {};
    near.wishes = {};
  });

  const ask = (page: Page, scope: string, more: Record<string, string> = {}) =>
    page.goto(server.issuer + authorizePath(client, { ...challenge, scope, ...more }));

  let travellers = 0;
  /** Somebody who was asked for these scopes and has ticked them; the yes is still to be said. */
  async function asked(scope: string, options: BrowserContextOptions = {}) {
    for (const upstream of [far, near]) upstream.person = { ...upstream.person, sub: `traveller-${++travellers}` };
    const person = await server.createPerson();
    const page = await (await browser.person(options)).newPage();
    const heard = complaints(page);
    await ask(page, scope);
    await signIn(page, person);
    for (const box of await page.locator('input[name=scope]').all()) await box.check();
    return { person, page, heard };
  }

  async function tokensOf(page: Page): Promise<Tokens> {
    await page.waitForURL(`${CLIENT_CALLBACK}?**`);
    const code = String(new URL(page.url()).searchParams.get('code'));
    return (await redeem(server, client, { code, code_verifier, redirect_uri: client.redirect_uri })).json() as Promise<Tokens>;
  }

  it('goes from consent to the provider, which asks on a page of its own, and on to the app with a code', async () => {
    far.wishes.asks = true;
    const { page, heard } = await asked('openid far:notes.read');
    await page.click('button[value=approve]');
    await page.waitForURL(`${far.issuer}/authorize?**`);
    await page.click('button');
    assert.equal((await tokensOf(page)).scope, 'openid far:notes.read');
    assert.deepEqual(heard, []);
    await page.context().close();
  });
});
