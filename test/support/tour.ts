import type { Page } from 'playwright-core';
import { composeLetter } from '../../src/http/letters.ts';
import { mailLetter } from '../../src/platform/mail.ts';
import { KeyRing } from '../../src/platform/secrets.ts';
import { CLIENT_CALLBACK } from './browser.ts';
import type { TestServer } from './environment.ts';
import { authorizePath, type Credentials, pkce, type TestClient } from './flow.ts';

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
  mailbox: openMailbox,
  'mailbox-letter': async (page, visit) => {
    await openMailbox(page, visit);
    await page.click('main .rows a');
  },
  // As a mail program shows it: from /dev/mail it comes sandboxed, and nobody could look at it by script.
  letter: async (page, visit) => {
    await openMailbox(page, visit);
    await page.click('main .rows a');
    const html = await page.request.get(new URL(String(await page.getAttribute('main .links a', 'href')), page.url()).href);
    await page.goto('about:blank');
    await page.setContent(await html.text());
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
