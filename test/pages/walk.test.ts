import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { CLIENT_CALLBACK, startBrowser, type TestBrowser } from '../support/browser.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { authorizePath, createResourceServerClient, introspect, pkce, redeem, type TestClient, type Tokens } from '../support/flow.ts';
import { newcomer, newestProof, PASSWORD } from '../support/sign-up.ts';
import { countRows } from '../support/storage.ts';

/** One person's whole way with us, as they go it: from signing up to the day on which somebody else may know their password. */
describe('From sign-up to a password reset', () => {
  let server: TestServer;
  let browser: TestBrowser;
  let api: TestClient;
  before(async () => {
    [server, browser] = await Promise.all([startTestServer(), startBrowser()]);
    api = await createResourceServerClient(server);
  });
  after(() => Promise.all([server.close(), browser.close()]));

  const words = {
    ko: { lang: 'ko', added: '패스키를 추가했어요.' },
    en: { lang: 'en', added: 'The passkey was added.' },
  };
  for (const [locale, { lang, added }] of Object.entries(words))
    it(`in ${locale}`, async () => {
      const [moonlight, sunrise] = await Promise.all(
        ['Moonlight', 'Sunrise'].map((client_name) => server.createClient({ client_name, redirect_uris: [CLIENT_CALLBACK] })),
      );
      assert(moonlight && sunrise);
      const context = await browser.person({ locale });
      const page = await context.newPage();
      const unlock = await addAuthenticator(page);
      const wish = newcomer();

      await signUp(page, wish);
      assert.equal(await page.getAttribute('html', 'lang'), lang);
      await page.goto(`${server.issuer}/account/factors/passkey`);
      await page.fill('input[name=name]', 'My phone');
      await unlock(async () => {
        await page.click('form[data-passkey=create] button');
        await page.waitForURL('**/account/factors?done=passkey_added');
      });
      assert.equal(await page.locator('[role=status]').innerText(), added);

      // Some other day: the passkey alone signs in.
      await context.clearCookies();
      const little = await authorize(page, moonlight, 'openid profile email restricted', {
        signIn: () => unlock(() => pressPasskey(page)),
        allow: [],
      });
      assert.deepEqual(scopesOf(little), ['email', 'openid', 'profile'], 'restricted was left out');
      const sun = await authorize(page, sunrise, 'openid profile email', { allow: [] });

      const more = await authorize(page, moonlight, 'openid profile email api restricted', {
        look: async () => {
          assert.match(
            await page.locator('legend').first().innerText(),
            /Already allowed|이미 동의함/,
            'what was allowed already is marked',
          );
          assert.equal(await page.locator('input[name=scope][value=restricted]').isChecked(), false);
        },
        allow: ['restricted'],
      });
      assert.deepEqual(scopesOf(more), ['api', 'email', 'openid', 'profile', 'restricted']);
      await assertActive(true, little, sun, more);

      await page.goto(`${server.issuer}/account/apps`);
      assert.equal(await page.locator('section.item').count(), 2);
      await page.locator('section.item', { hasText: 'Sunrise' }).locator('button').click();
      await page.waitForURL('**/account/apps?done');
      assert.equal(await page.locator('section.item').count(), 1);
      await assertActive(false, sun);
      await assertActive(true, little, more);

      const session = (await context.cookies()).map(({ name, value }) => `${name}=${value}`).join('; ');
      assert.equal((await account(session)).status, 200);
      await context.clearCookies();
      const fresh = await authorize(page, moonlight, 'openid profile', {
        signIn: async () => {
          await reset(page, wish.email);
          // The account has a further factor: a mailbox alone does not open it.
          await unlock(() => pressPasskey(page));
        },
        allow: [],
      });
      await assertActive(false, little, more, sun);
      await assertActive(true, fresh);
      assert.equal((await account(session)).status, 303, 'the session of before opens nothing');
      await assertRefused(wish.email);
      assert.equal(await countRows(server, 'grant_record where client_id = $1', [moonlight.client_id]), 1);
      await context.close();
    });

  /** A device whose person unlocks a passkey when asked to. @returns how they do something that takes a passkey. */
  async function addAuthenticator(page: Page): Promise<(act: () => Promise<void>) => Promise<void>> {
    const devtools = await page.context().newCDPSession(page);
    await devtools.send('WebAuthn.enable');
    const options = { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true } as const;
    const { authenticatorId } = await devtools.send('WebAuthn.addVirtualAuthenticator', {
      options: { ...options, isUserVerified: true, automaticPresenceSimulation: false },
    });
    const setPresence = (enabled: boolean) => devtools.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled });
    return async (act) => {
      await setPresence(true);
      await act();
      await setPresence(false);
    };
  }

  async function pressPasskey(page: Page): Promise<void> {
    // The browser may have offered it before anybody presses the button, and been taken up on it. A press that is still under way then
    // must not be left to meet the next page that has such a button.
    await page.click('form[data-passkey=get] button', { timeout: 2_000 }).catch(() => undefined);
    await page.locator('button[value=approve]').waitFor();
  }

  async function enterCode(page: Page, email: string): Promise<void> {
    const code = page.locator('input[name=code]');
    await code.waitFor();
    await code.fill((await newestProof(server, email)).code);
  }

  async function signUp(page: Page, wish: ReturnType<typeof newcomer>): Promise<void> {
    await page.goto(`${server.issuer}/signup`);
    for (const [name, value] of Object.entries(wish)) await page.fill(`input[name=${name}]`, value);
    await page.click('main form button[type=submit]:not([hidden])');
    await enterCode(page, wish.email);
    await page.click('main form button[type=submit]');
    await page.waitForURL(`${server.issuer}/account`);
  }

  async function reset(page: Page, email: string): Promise<void> {
    await page.click('a[href$="/reset"]');
    // The page before it asks for an e-mail address as well.
    await page.waitForURL('**/reset');
    await page.fill('input[name=email]', email);
    await page.click('main form button[type=submit]');
    await enterCode(page, email);
    await page.click('main form button[type=submit]');
    await page.fill('input[name=password]', `another ${PASSWORD}`);
    await page.click('main form button[type=submit]:not([hidden])');
  }

  type Way = { signIn?: () => Promise<void>; look?: () => Promise<void>; allow: string[] };

  /** An authorization, from the client's question to its tokens. @param allow optional scopes to tick. */
  async function authorize(page: Page, client: TestClient, scope: string, { signIn, look, allow }: Way): Promise<Tokens> {
    const { code_verifier, ...challenge } = pkce();
    await page.goto(server.issuer + authorizePath(client, { ...challenge, scope }));
    await signIn?.();
    await page.locator('button[value=approve]').waitFor();
    await look?.();
    for (const name of allow) await page.check(`input[name=scope][value=${name}]`);
    await page.click('button[value=approve]');
    await page.waitForURL(`${CLIENT_CALLBACK}?**`);
    const code = String(new URL(page.url()).searchParams.get('code'));
    const response = await redeem(server, client, { code, code_verifier, redirect_uri: CLIENT_CALLBACK });
    assert.equal(response.status, 200, await response.clone().text());
    return response.json() as Promise<Tokens>;
  }

  const scopesOf = ({ scope }: Tokens) => String(scope).split(' ').sort();

  /** Every token of these: those that open the API by its own word, the others by that of their client. */
  async function assertActive(active: boolean, ...all: Tokens[]): Promise<void> {
    for (const { access_token } of all) assert.equal((await introspect(server, api, access_token))['active'], active);
  }

  const account = (cookie: string) => fetch(`${server.issuer}/account`, { headers: { cookie, accept: 'text/html' }, redirect: 'manual' });

  /** The password of before signs in no more. */
  async function assertRefused(email: string): Promise<void> {
    const page = await (await browser.person()).newPage();
    await page.goto(`${server.issuer}/account`);
    await page.fill('input[name=email]', email);
    await page.fill('input[name=password]', PASSWORD);
    const [answer] = await Promise.all([
      page.waitForResponse((response) => response.request().method() === 'POST'),
      page.click('form button.accent[type=submit]'),
    ]);
    assert.equal(answer.status(), 401);
    await page.context().close();
  }
});
