import type { Page } from 'playwright-core';
import { CLIENT_CALLBACK } from './browser.ts';
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
  'consent-widened': async (page, visit) => {
    // Somebody of its own, who has allowed little so far: whoever visits next is to meet the same page.
    const person = await visit.server.createPerson();
    await openSignIn(page, visit, { scope: 'openid profile email' });
    await signIn(page, person);
    await page.check('input[value=email]');
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
  error: async (page, { server, client }) => {
    await page.goto(server.issuer + authorizePath(client, { redirect_uri: 'https://elsewhere.example/callback' }));
  },
};

export async function openSignIn(page: Page, { server, client }: Visit, parameters: Record<string, string> = {}): Promise<void> {
  await page.goto(server.issuer + authorizePath(client, { ...pkce(), code_verifier: undefined, scope: SCOPES, ...parameters }));
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
