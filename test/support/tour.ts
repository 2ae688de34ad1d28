import type { Page } from 'playwright-core';
import type { TestServer } from './environment.ts';
import { authorizePath, type Credentials, pkce, type TestClient } from './flow.ts';

/** Every page a person can meet, and how to get there: for looking at all of them in one way. */

export type Visit = { server: TestServer; client: TestClient; person: Credentials };

const SCOPES = 'openid profile email offline_access api restricted';

/** Each leaves the browser on its page. They share nothing: a visit begins in a browser without cookies. */
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
  consent: openConsent,
  'consent-self-registered': async (page, visit) => {
    const response = await fetch(`${visit.server.issuer}/oauth/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ client_name: 'Photo Helper', redirect_uris: ['http://127.0.0.1/callback'] }),
    });
    const { client_id } = (await response.json()) as { client_id: string };
    await openConsent(page, { ...visit, client: { client_id, redirect_uri: 'http://127.0.0.1:49152/callback' } });
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
  account: (page, visit) => openAccountPage(page, visit, '/account'),
  'account-profile': (page, visit) => openAccountPage(page, visit, '/account/profile'),
  'account-profile-problem': async (page, visit) => {
    await openAccountPage(page, visit, '/account/profile');
    await page.fill('input[name=name]', '\u200b');
    await page.click('form button[type=submit]');
    await page.locator('[role=alert]').waitFor();
  },
  'account-email': (page, visit) => openAccountPage(page, visit, '/account/email'),
  'account-email-code': async (page, visit) => {
    await openAccountPage(page, await asSomebodyElse(visit), '/account/email');
    await page.fill('input[name=email]', 'a.new.long.address.of.a.person@subdomain.people.example');
    await page.click('form button[type=submit]');
    await page.locator('input[name=code]').waitFor();
  },
  'account-password': (page, visit) => openAccountPage(page, visit, '/account/password'),
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
  'account-export': (page, visit) => openAccountPage(page, visit, '/account/export'),
  'account-delete': (page, visit) => openAccountPage(page, visit, '/account/delete'),
  'account-deleted': async (page, visit) => {
    await deleteAccount(page, visit);
  },
  'account-restore': async (page, visit) => {
    const person = await deleteAccount(page, visit);
    await page.goto(`${visit.server.issuer}/account`);
    await signIn(page, person);
    await page.locator('button[value=keep]').waitFor();
  },
  error: async (page, { server, client }) => {
    await page.goto(server.issuer + authorizePath(client, { redirect_uri: 'https://elsewhere.example/callback' }));
  },
};

export async function openSignIn(page: Page, { server, client }: Visit): Promise<void> {
  await page.goto(server.issuer + authorizePath(client, { ...pkce(), code_verifier: undefined, scope: SCOPES }));
}

export async function openConsent(page: Page, visit: Visit): Promise<void> {
  await openSignIn(page, visit);
  await signIn(page, visit.person);
  await page.locator('button[name=decision]').first().waitFor();
}

export async function signIn(page: Page, { email, password }: Credentials): Promise<void> {
  await page.fill('input[name=email]', email);
  await page.fill('input[name=password]', password);
  await page.click('main button[type=submit]');
}

/** Signs in when asked to, and comes to a page of the account. */
export async function openAccountPage(page: Page, { server, person }: Pick<Visit, 'server' | 'person'>, path: string): Promise<void> {
  await page.goto(server.issuer + path);
  if (page.url() === server.issuer + path) return;
  await signIn(page, person);
  await page.waitForURL(server.issuer + path);
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
