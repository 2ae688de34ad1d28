import type { Page } from 'playwright-core';
import { CLIENT_CALLBACK } from './browser.ts';
import { openConsent, type Visit } from './tour.ts';

/** The pages after the last one, for the tour of every page: where a user comes to who goes back, or signs out without a session. */
export const ENDING_TOUR: Record<string, (page: Page, visit: Visit) => Promise<void>> = {
  // The browser goes back to a page that was answered.
  finished: async (page, shared) => {
    const visit = { ...shared, person: await shared.server.createPerson() };
    await openConsent(page, visit);
    const answered = page.url();
    await page.click('button[value=approve]');
    await page.waitForURL(`${CLIENT_CALLBACK}?**`);
    await page.goto(answered);
    await page.locator('.ways').waitFor();
  },
  'signed-out-way-back': async (page, { server }) => {
    const post_logout_redirect_uri = 'http://client.example/a/rather/long/path/after/signing/out';
    const { client_id } = await server.createClient({ client_name: 'Moonlight', post_logout_redirect_uris: [post_logout_redirect_uri] });
    await page.goto(`${server.issuer}/oauth/logout?${new URLSearchParams({ client_id, post_logout_redirect_uri })}`);
    await page.locator('.ways').waitFor();
  },
};
