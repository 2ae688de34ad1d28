import type { Page } from 'playwright-core';
import { composeLetter } from '../../src/http/letters.ts';
import { mailLetter } from '../../src/platform/mail.ts';
import { KeyRing } from '../../src/platform/secrets.ts';
import { CLIENT_CALLBACK } from './browser.ts';
import { beginDevice, createDeviceClient, DEVICE_GRANT } from './device.ts';
import type { TestServer } from './environment.ts';
import { addTotp, makeRecoveryCodes } from './factors.ts';
import { authorizePath, type Credentials, pkce, type TestClient } from './flow.ts';
import { allLettersTo } from './mailbox.ts';
import { Person } from './person.ts';
import { newcomer, newestProof, PASSWORD } from './sign-up.ts';
import { comeTo, follow, openAccountPage, signIn } from './visiting.ts';

/**
 * Every page a person can meet, and how to get there: for looking at all of them in one way (accessibility, pseudo-language, screenshots).
 * A page is one line here. The server is one of development, so that the pages of development are there too.
 */

export type Visit = { server: TestServer; client: TestClient; person: Credentials };

const SCOPES = 'openid profile email offline_access api restricted';

/** Each leaves the browser on its page, without JavaScript too. They share nothing: a visit begins in a browser without cookies. */
export const TOUR: Record<string, (page: Page, visit: Visit) => Promise<void>> = {
  home: async (page, { server }) => {
    await page.goto(server.issuer);
  },
  'sign-in': openSignIn,
  'failed-sign-in': async (page, visit) => {
    await openSignIn(page, visit);
    await signIn(page, { ...visit.person, password: 'not this one' });
    await page.locator('[role=alert]').waitFor();
  },
  'sign-up': async (page, visit) => {
    await openSignIn(page, visit);
    await follow(page, 'a[href$="/signup"]');
  },
  'failed-sign-up': async (page, visit) => {
    await TOUR['sign-up']?.(page, visit);
    await fillIn(page, { name: '홍길동', email: 'gildong@nowhere', password: 'password' });
    await page.locator('[role=alert]').waitFor();
  },
  'sign-up-code': async (page, visit) => {
    await beginSignUp(page, visit);
  },
  'failed-code': async (page, visit) => {
    await beginSignUp(page, visit);
    await fillIn(page, { code: '0' });
    await page.locator('[role=alert]').waitFor();
  },
  'sign-up-link': async (page, visit) => {
    const email = await beginSignUp(page, visit);
    await page.goto((await newestProof(visit.server, email)).link);
  },
  'sign-up-elsewhere': async (page, visit) => {
    const email = await beginSignUp(page, visit);
    await page.context().clearCookies();
    await page.goto((await newestProof(visit.server, email)).link);
    await fillIn(page, { password: PASSWORD });
    await page.locator('form').waitFor({ state: 'detached' });
  },
  'sign-up-link-elsewhere': async (page, visit) => {
    const email = await beginSignUp(page, visit);
    await page.context().clearCookies();
    await page.goto((await newestProof(visit.server, email)).link);
    await page.locator('input[name=password]').waitFor();
  },
  'failed-sign-up-elsewhere': async (page, visit) => {
    await TOUR['sign-up-link-elsewhere']?.(page, visit);
    await fillIn(page, { password: 'password' });
    await page.locator('[role=alert]').waitFor();
  },
  'not-me': async (page, visit) => {
    await openNotMe(page, visit, await visit.server.createPerson());
  },
  'not-me-added': async (page, visit) => {
    const person = await visit.server.createPerson();
    await openNotMe(page, visit, person);
    const { person: own } = await addTotp(visit.server, person);
    await makeRecoveryCodes(own);
    await page.reload();
    await page.locator('input[name=keep]').first().waitFor();
  },
  'failed-not-me': async (page, visit) => {
    await openNotMe(page, visit, await visit.server.createPerson());
    await fillIn(page, { password: 'password' });
    await page.locator('[role=alert]').waitFor();
  },
  'given-back': async (page, visit) => {
    await openNotMe(page, visit, await visit.server.createPerson());
    await fillIn(page, { password: PASSWORD });
    await page.locator('form').waitFor({ state: 'detached' });
  },
  'not-me-gone': async (page, { server }) => {
    await page.goto(`${server.issuer}/account/not-me?token=used`);
  },
  'new-password-added': async (page, visit) => {
    const person = await visit.server.createPerson();
    const { person: own } = await addTotp(visit.server, person);
    await makeRecoveryCodes(own);
    await visit.server.sql(`update recovery_code set created_at = now() + interval '1 second' where account_id = $1`, [person.id]);
    await TOUR['reset']?.(page, visit);
    await fillIn(page, { email: person.email });
    await page.locator('input[name=code]').waitFor();
    await fillIn(page, { code: (await newestProof(visit.server, person.email)).code });
    await page.locator('input[name=keep]').waitFor();
  },
  reset: async (page, visit) => {
    await openSignIn(page, visit);
    await follow(page, 'a[href$="/reset"]');
  },
  'new-password': async (page, visit) => {
    const { email } = await visit.server.createPerson();
    await TOUR['reset']?.(page, visit);
    await fillIn(page, { email });
    await page.locator('input[name=code]').waitFor();
    await fillIn(page, { code: (await newestProof(visit.server, email)).code });
    await page.locator('input[name=password]').waitFor();
  },
  consent: openConsent,
  'consent-verified': async (page, visit) => {
    const client = await visit.server.createClient({ client_name: 'Moonlight', redirect_uris: [CLIENT_CALLBACK] });
    await visit.server.sql(`update client set publisher = 'Moonlight Inc.', verified_at = now() where id = $1`, [client.client_id]);
    await openConsent(page, { ...visit, client });
  },
  'consent-self-registered': async (page, visit) => {
    const response = await fetch(`${visit.server.issuer}/oauth/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ client_name: 'Photo Helper', redirect_uris: ['http://127.0.0.1/callback'] }),
    });
    const { client_id } = (await response.json()) as { client_id: string };
    await openConsent(page, { ...visit, client: { client_id, redirect_uri: 'http://127.0.0.1:49152/callback' } });
  },
  'consent-widened': async (page, visit) => {
    // Somebody of its own, who has allowed little so far: whoever visits next is to meet the same page.
    const person = await visit.server.createPerson();
    await openSignIn(page, visit, { scope: 'openid profile email' });
    await signIn(page, person);
    await page.click('button[value=approve]');
    await page.waitForURL(`${CLIENT_CALLBACK}?**`);
    await openSignIn(page, visit, { scope: `${SCOPES} posts:write posts:read`, resource: `${visit.server.issuer}/api/posts` });
    await page.locator('button[name=decision]').first().waitFor();
  },
  'select-account': async (page, visit) => {
    await openConsent(page, visit);
    await openSignIn(page, visit, { prompt: 'select_account' });
    await page.locator('button[name=account]').first().waitFor();
  },
  'sign-out': async (page, visit) => {
    await openConsent(page, visit);
    await page.goto(`${visit.server.issuer}/oauth/logout`);
  },
  'signed-out': async (page, visit) => {
    await openConsent(page, visit);
    await page.goto(`${visit.server.issuer}/oauth/logout`);
    await page.click('button[name=logout]');
    await page.waitForURL('**/oauth/logout/success');
  },
  leaving: async (page, { server, client }) => {
    await page.goto(server.issuer + authorizePath(client, { ...pkce(), code_verifier: undefined, scope: 'nosuch' }));
  },
  'leaving-form': async (page, { server, client }) => {
    await page.goto(
      server.issuer + authorizePath(client, { ...pkce(), code_verifier: undefined, scope: 'nosuch', response_mode: 'form_post' }),
    );
  },
  'leaving-denied': async (page, shared) => {
    await openConsent(page, await asSomebodyElse(shared));
    await page.click('button[value=deny]');
    await page.locator('.ways a').waitFor();
  },
  account: (page, visit) => comeTo(page, visit, '/account'),
  'account-profile': (page, visit) => comeTo(page, visit, '/account/profile'),
  'account-profile-problem': async (page, visit) => {
    await comeTo(page, visit, '/account/profile');
    await page.fill('input[name=name]', '\u200b');
    await page.click('form button[type=submit]');
    await page.locator('[role=alert]').waitFor();
  },
  'account-email': (page, visit) => comeTo(page, visit, '/account/email'),
  'account-email-code': async (page, visit) => {
    await openAccountPage(page, await asSomebodyElse(visit), '/account/email');
    await page.fill('input[name=email]', 'a.new.long.address.of.a.person@subdomain.people.example');
    await page.click('form button[type=submit]');
    await page.locator('input[name=code]').waitFor();
  },
  'account-password': (page, visit) => comeTo(page, visit, '/account/password'),
  'account-apps': async (page, shared) => {
    const visit = await asSomebodyElse(shared);
    await openConsent(page, visit);
    await page.check('input[value=restricted]');
    await page.click('button[value=approve]');
    await page.waitForURL(`${visit.client.redirect_uri}?**`);
    await openAccountPage(page, visit, '/account/apps');
  },
  'account-no-apps': async (page, visit) => {
    await openAccountPage(page, await asSomebodyElse(visit), '/account/apps');
  },
  'account-sessions': async (page, visit) => {
    const another = await page.context().browser()?.newContext();
    await openAccountPage((await another?.newPage()) ?? page, visit, '/account');
    await another?.close();
    await openAccountPage(page, visit, '/account/sessions');
  },
  'account-activity': async (page, shared) => {
    const visit = await asSomebodyElse(shared);
    await openAccountPage(page, visit, '/account/profile');
    await page.click('form button[type=submit]');
    await openAccountPage(page, visit, '/account/activity');
  },
  'account-export': (page, visit) => comeTo(page, visit, '/account/export'),
  'account-delete': (page, visit) => comeTo(page, visit, '/account/delete'),
  'account-deleted': async (page, visit) => {
    await deleteAccount(page, visit);
  },
  'account-restore': async (page, visit) => {
    const person = await deleteAccount(page, visit);
    await page.goto(`${visit.server.issuer}/account`);
    await signIn(page, person);
    await page.locator('button[value=keep]').waitFor();
  },
  device: async (page, { server }) => {
    await page.goto(`${server.issuer}/device`);
  },
  'device-wrong-code': async (page, { server }) => {
    await page.goto(`${server.issuer}/device`);
    await page.fill('input[name=user_code]', 'bcdf ghjk');
    await page.click('main button[type=submit]');
    await page.locator('[role=alert]').waitFor();
  },
  'device-confirm': openDevice,
  'device-consent': async (page, visit) => {
    await openDevice(page, visit);
    await page.click('button[value=approve]');
    await signIn(page, visit.person);
    await page.locator('button[name=decision]').first().waitFor();
  },
  'device-done': async (page, visit) => {
    await TOUR['device-consent']?.(page, visit);
    await page.click('button[value=approve]');
    await page.waitForURL('**/device/*');
  },
  'device-denied': async (page, visit) => {
    await openDevice(page, visit);
    await page.click('button[value=deny]');
    await page.locator('h1 + .lead').waitFor();
  },
  'error-finished': async (page, visit) => {
    await openSignIn(page, visit);
    await page.goto(`${visit.server.issuer}/interaction/another`);
  },
  'error-form-refused': async (page, visit) => {
    await openSignIn(page, visit);
    // On its way, so that it needs no script in the page.
    await page.route('**/login', (route) =>
      route.continue({ postData: String(route.request().postData()).replace(/csrf=[^&]*/, 'csrf=guessed') }),
    );
    await signIn(page, visit.person);
    await page.locator('.ways').waitFor();
  },
  'error-nowhere': async (page, { server }) => {
    await page.goto(`${server.issuer}/nowhere`);
  },
  error: async (page, { server, client }) => {
    await page.goto(server.issuer + authorizePath(client, { redirect_uri: 'https://elsewhere.example/callback' }));
  },
  mailbox: openMailbox,
  'mailbox-letter': async (page, visit) => {
    await openMailbox(page, visit);
    await follow(page, 'main .rows a');
  },
  // As a mail program shows it: from /dev/mail it comes sandboxed, and nobody could look at it by script.
  letter: async (page, visit) => {
    await openMailbox(page, visit);
    await follow(page, 'main .rows a');
    const html = await page.request.get(new URL(String(await page.getAttribute('main .links a', 'href')), page.url()).href);
    await page.goto('about:blank');
    await page.setContent(await html.text());
  },
};

/** The page to compare a code, of an app that registered itself, opened by the link that has the code in it. */
async function openDevice(page: Page, { server }: Visit): Promise<void> {
  const client = await createDeviceClient(server, { client_name: 'Living room TV', grant_types: [DEVICE_GRANT] });
  await server.sql("update client set registration = 'dynamic' where id = $1", [client.client_id]);
  const agent = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36';
  const { verification_uri_complete } = await beginDevice(server, client, { scope: 'openid profile email' }, { 'user-agent': agent });
  await page.goto(verification_uri_complete);
  await page.click('main button[type=submit]');
  await page.locator('button[name=decision]').first().waitFor();
}

export async function openSignIn(page: Page, { server, client }: Visit, parameters: Record<string, string> = {}): Promise<void> {
  await page.goto(server.issuer + authorizePath(client, { ...pkce(), code_verifier: undefined, scope: SCOPES, ...parameters }));
}

export async function openConsent(page: Page, visit: Visit): Promise<void> {
  await openSignIn(page, visit);
  await signIn(page, visit.person);
  await page.locator('button[name=decision]').first().waitFor();
}

/** The page of the link in the letter about a sign-in from a new device. */
async function openNotMe(page: Page, { server }: Visit, person: Credentials): Promise<void> {
  await (await new Person(server.issuer).open('/account')).submit({ email: person.email, password: person.password });
  const letter = (await allLettersTo(server, person.email)).at(-1);
  await page.goto(String(/https?:\/\/\S+\/account\/not-me\?token=\S+/.exec(String(letter?.text))?.[0]));
}

/** @returns the address that a code was mailed to. */
async function beginSignUp(page: Page, visit: Visit): Promise<string> {
  const wish = newcomer();
  await TOUR['sign-up']?.(page, visit);
  await fillIn(page, wish);
  await page.locator('input[name=code]').waitFor();
  return wish.email;
}

/** Fills in the first form of a page, and sends it. */
export async function fillIn(page: Page, fields: Record<string, string>): Promise<void> {
  for (const [name, value] of Object.entries(fields)) await page.fill(`input[name=${name}]`, value);
  await page.click('main button[type=submit]');
}

/** With a letter in the language of the browser. */
async function openMailbox(page: Page, { server: { issuer, config, database } }: Visit): Promise<void> {
  await page.goto(issuer);
  const language = (await page.getAttribute('html', 'lang')) === 'ko' ? 'ko' : 'en';
  const letter = composeLetter(language, 'sign_up', {
    code: '48291375',
    link: `${issuer}/interaction/V1StGXR8_Z5jdHi6B-myT/proof?secret=4f90d13a42a4f90d13a42a4f90d13a42`,
    minutes: 15,
    issuer,
    visitor: { address: '203.0.113.0/24', browser: 'Chrome, Windows' },
    at: new Date(),
  });
  await database.change(mailLetter(new KeyRing(config.dataEncryptionKeys), 'gildong@people.example', letter));
  await page.goto(`${issuer}/dev/mail`);
}

/** For what stays with a person, and would change what others see. */
async function asSomebodyElse(visit: Visit): Promise<Visit> {
  return { ...visit, person: await visit.server.createPerson() };
}

/** @returns whose account it was. */
async function deleteAccount(page: Page, shared: Visit): Promise<Credentials> {
  const visit = await asSomebodyElse(shared);
  const { person } = visit;
  await openAccountPage(page, visit, '/account/delete');
  await page.check('input[name=certain]');
  await page.click('form button[type=submit]');
  await page.locator('form').waitFor({ state: 'detached' });
  return person;
}
