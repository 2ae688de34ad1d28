import type { Page } from 'playwright-core';
import type { TestServer } from './environment.ts';
import { authorizePath, type Credentials, pkce, type TestClient } from './flow.ts';
import { newcomer, newestProof } from './sign-up.ts';

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
  'sign-up': async (page, visit) => {
    await openSignIn(page, visit);
    await page.click('a[href$="/signup"]');
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
    await page.click('main button[type=submit]');
    await page.locator('form').waitFor({ state: 'detached' });
  },
  reset: async (page, visit) => {
    await openSignIn(page, visit);
    await page.click('a[href$="/reset"]');
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

export async function signIn(page: Page, { email, password }: Credentials): Promise<void> {
  await page.fill('input[name=email]', email);
  await page.fill('input[name=password]', password);
  await page.click('main button[type=submit]');
}
