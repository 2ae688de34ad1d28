import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { addOwner } from '../../src/oauth/clients/owners.ts';
import { complaints, startBrowser, type TestBrowser } from '../support/browser.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { follow, signIn } from '../support/visiting.ts';

/** From a client of one's own to a token for it, at a browser. */
describe('A developer tries a client at a browser', () => {
  let server: TestServer;
  let browser: TestBrowser;
  before(async () => {
    browser = await startBrowser();
    server = await startTestServer();
  });
  after(() => Promise.all([server?.close(), browser?.close()]));

  async function developer(method: string) {
    const person = await server.createPerson();
    const client = await server.createClient({
      token_endpoint_auth_method: method,
      redirect_uris: ['https://app.example/callback'],
      grant_types: ['authorization_code'],
    });
    await server.database.change(addOwner(client.client_id, person.id));
    const page = await (await browser.person()).newPage();
    const heard = complaints(page);
    await page.goto(`${server.issuer}/developer/clients/${client.client_id}/try`);
    await signIn(page, person);
    return { page, client, heard };
  }

  it('four clicks lead from the page to the tokens, and one more ends them', async () => {
    const { page, heard } = await developer('none');
    await page.click('button[value=add]');
    await page.click('a[href^="/oauth/authorize"]');
    await page.click('button[value=approve]');
    await follow(page, 'button[value=redeem]');
    await page.locator('h1', { hasText: 'Step 3' }).waitFor();
    assert.match(await page.locator('main').innerText(), /"access_token"[\s\S]*oauth\/userinfo → 200/);
    await follow(page, 'button[value=revoke]');
    await page.locator('h1', { hasText: 'revoked' }).waitFor();
    assert.match(await page.locator('main').innerText(), /→ 401/);
    assert.deepEqual(heard, []);
  });

  it('what is to be copied is copied by its button', async () => {
    const { page, client } = await developer('client_secret_basic');
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.goto(`${server.issuer}/developer/clients/${client.client_id}/snippets`);
    await page.click('summary:has-text("curl")');
    await page.click('[data-copies=code-curl]');
    await page.getByText('Copied').waitFor();
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    assert.equal(copied, await page.locator('#code-curl').textContent());
    assert.match(copied, new RegExp(client.client_id));
  });
});
