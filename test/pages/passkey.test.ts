import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { BrowserContext, CDPSession, Page } from 'playwright-core';
import { CLIENT_CALLBACK, complaints, startBrowser, type TestBrowser } from '../support/browser.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { proveMailbox } from '../support/factors.ts';
import { authorizePath, pkce, type TestClient } from '../support/flow.ts';
import { signIn } from '../support/visiting.ts';

/** Passkeys in a real browser, whose authenticator is a virtual one. What no browser would send: test/flows/passkey.test.ts. */
describe('Passkeys in the browser', () => {
  let server: TestServer;
  let browser: TestBrowser;
  let client: TestClient;
  before(async () => {
    [server, browser] = await Promise.all([startTestServer(), startBrowser()]);
    client = await server.createClient({ client_name: 'Moonlight', redirect_uris: [CLIENT_CALLBACK] });
  });
  after(() => Promise.all([server.close(), browser.close()]));

  type Device = { context: BrowserContext; page: Page; devtools: CDPSession; authenticatorId: string };

  /** A browser on a device that unlocks passkeys by itself, as a fingerprint would. */
  async function device(locale = 'en-US', { unlocks = true } = {}): Promise<Device> {
    const context = await browser.person({ locale });
    const page = await context.newPage();
    const devtools = await context.newCDPSession(page);
    await devtools.send('WebAuthn.enable');
    const { authenticatorId } = await devtools.send('WebAuthn.addVirtualAuthenticator', {
      options: {
        protocol: 'ctap2',
        transport: 'internal',
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: unlocks,
        automaticPresenceSimulation: true,
      },
    });
    return { context, page, devtools, authenticatorId };
  }

  const ask = (page: Page, parameters: Record<string, string> = {}) =>
    page.goto(server.issuer + authorizePath(client, { ...pkce(), code_verifier: undefined, ...parameters }));

  /** Signs in by password and makes a passkey. */
  async function enrol({ page }: Device, person: { email: string; password: string }): Promise<void> {
    await page.goto(`${server.issuer}/account/factors`);
    await signIn(page, person);
    await page.waitForURL('**/account/factors');
    await proveMailbox(server, person);
    await page.click('a[href="/account/factors/passkey"]');
    await page.fill('input[name=name]', 'My phone');
    await page.click('form[data-passkey=create] button');
    await page.waitForURL('**/account/factors?done=passkey_added');
  }

  const forget = ({ context }: Device) => context.clearCookies();

  /** Stops the authenticator from answering on its own, so that autofill waits for somebody. */
  const setPresence = ({ devtools, authenticatorId }: Device, enabled: boolean) =>
    devtools.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled });

  for (const [locale, words] of Object.entries({
    ko: { added: '패스키를 추가했어요.', button: '패스키로 계속하기' },
    en: { added: 'The passkey was added.', button: 'Use a passkey' },
  }))
    it(`one is made, and signs in by the button alone, in ${locale}`, async () => {
      const person = await server.createPerson();
      const own = await device(locale);
      const heard = complaints(own.page);
      await enrol(own, person);
      assert.equal(await own.page.locator('[role=status]').innerText(), words.added);
      assert.equal(await own.page.locator('.kept strong').innerText(), 'My phone');
      const { credentials } = await own.devtools.send('WebAuthn.getCredentials', { authenticatorId: own.authenticatorId });
      assert.deepEqual(
        credentials.map(({ isResidentCredential, rpId }) => [isResidentCredential, rpId]),
        [[true, 'localhost']],
      );
      const [session] = await server.sql('select payload from session where account_id = $1', [person.id]);
      assert.deepEqual((session as { payload: { amr: string[] } }).payload.amr, ['pwd'], 'enrolling is not by itself a second factor');

      await forget(own);
      await setPresence(own, false);
      await ask(own.page);
      const button = own.page.locator('form[data-passkey=get] button');
      assert.equal(await button.innerText(), words.button);
      await setPresence(own, true);
      // The offer of autofill has waited all the while: a device that answers now may answer that before anybody presses.
      await button.click({ timeout: 2_000 }).catch(() => undefined);
      await own.page.locator('button[value=approve]').click();
      await own.page.waitForURL(`${CLIENT_CALLBACK}?**`);
      assert(new URL(own.page.url()).searchParams.get('code'));
      assert.deepEqual(heard, [], 'the browser refused nothing');
      await own.context.close();
    });

  it('is offered by autofill, without a click', async () => {
    const person = await server.createPerson();
    const own = await device();
    await enrol(own, person);
    await forget(own);
    assert(await own.page.evaluate(() => PublicKeyCredential.isConditionalMediationAvailable()), 'this browser has autofill of passkeys');
    await ask(own.page);
    await own.page.locator('button[value=approve]').waitFor();
    const events = await server.sql(
      `select detail from audit_event where account_id = $1 and type = 'signed_in' order by id desc limit 1`,
      [person.id],
    );
    assert.deepEqual(events, [{ detail: { method: 'passkey' } }]);
    await own.context.close();
  });

  it('comes late and moves nothing: whoever is about to click on what is below hits it', async () => {
    const own = await device('en-US', { unlocks: false });
    let letGo = () => {};
    const held = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    await own.page.route('**/assets/passkey.js*', (route) => held.then(() => route.continue()));
    await own.page.goto(server.issuer + authorizePath(client, { ...pkce(), code_verifier: undefined }), { waitUntil: 'commit' });
    const link = own.page.locator('a[href$="/reset"]');
    const button = own.page.locator('form[data-passkey=get] button');
    await link.waitFor();
    await own.page.evaluate(() => document.fonts.ready);
    assert.equal(await button.isVisible(), false);
    const before = await link.boundingBox();
    letGo();
    await button.waitFor();
    assert.deepEqual(await link.boundingBox(), before);
    await own.context.close();
  });

  it('stands in as the second factor after the password', async () => {
    const person = await server.createPerson();
    const own = await device();
    await enrol(own, person);
    await forget(own);
    await setPresence(own, false);
    await ask(own.page);
    await signIn(own.page, person);
    await own.page.waitForSelector('form[data-passkey=get]:not([data-autofill])');
    assert.equal(await own.page.locator('h1').innerText(), 'One more step');
    await setPresence(own, true);
    await own.page.click('form[data-passkey=get] button');
    await own.page.locator('button[value=approve]').waitFor();
    await own.context.close();
  });

  it('that the device does not unlock changes nothing, says so, and leaves the password', async () => {
    const person = await server.createPerson();
    const own = await device();
    await enrol(own, person);
    await forget(own);
    await own.devtools.send('WebAuthn.setUserVerified', { authenticatorId: own.authenticatorId, isUserVerified: false });
    await ask(own.page);
    await own.page.click('form[data-passkey=get] button');
    await own.page.locator('form[data-passkey=get] [role=alert]').waitFor();
    assert.equal(
      (await server.sql(`select 1 from audit_event where account_id = $1 and detail->>'method' = 'passkey'`, [person.id])).length,
      0,
    );
    await signIn(own.page, person);
    assert.equal(await own.page.locator('h1').innerText(), 'One more step');
    await own.context.close();
  });

  it('is made once on a device, renamed and removed', async () => {
    const person = await server.createPerson();
    const own = await device();
    await enrol(own, person);
    await own.page.goto(`${server.issuer}/account/factors/passkey`);
    await own.page.click('form[data-passkey=create] button');
    await own.page.locator('[data-problem=known]').waitFor();
    assert.equal((await server.sql('select 1 from passkey where account_id = $1', [person.id])).length, 1);

    await own.page.goto(`${server.issuer}/account/factors`);
    await own.page.click('.kept summary');
    await own.page.fill('.kept input[name=name]', '  <b>열쇠</b> \u202etxt  ');
    await own.page.click('form[action$="/name"] button');
    await own.page.waitForURL('**?done=passkey_renamed');
    assert.equal(await own.page.locator('.kept strong').innerText(), '<b>열쇠</b> txt');
    await own.page.click('.kept summary');
    await own.page.click('form[action$="/passkey/remove"] button');
    await own.page.waitForURL('**?done=passkey_removed');
    assert.equal((await server.sql('select 1 from passkey where account_id = $1', [person.id])).length, 0);
    await own.context.close();
  });

  it('without JavaScript there is no button that does nothing, and the page says why', async () => {
    const person = await server.createPerson();
    const own = await device();
    await enrol(own, person);
    await own.context.close();
    const page = await (await browser.person({ javaScriptEnabled: false })).newPage();
    await ask(page);
    assert.equal(await page.locator('form[data-passkey]').isVisible(), false);
    await signIn(page, person);
    assert.equal(await page.locator('h1').innerText(), 'One more step');
    assert(await page.locator('noscript').innerText());
    assert.equal(await page.locator('form[data-passkey]').isVisible(), false);
    await page.context().close();
  });
});
