import type { Page } from 'playwright-core';
import { newestProof } from './sign-up.ts';
import { openSignIn, type Visit } from './tour.ts';
import { addProvider, startUpstream, type TestUpstream } from './upstream.ts';

/** The pages of signing in by a provider, for the tour of every page. A provider is there for one visit alone: others are not to meet its button. */
export const UPSTREAM_TOUR: Record<string, (page: Page, visit: Visit) => Promise<void>> = {
  'sign-in-providers': (page, visit) =>
    withProvider(visit, async () => {
      await openSignIn(page, visit);
      await page.locator('.elsewhere').waitFor();
    }),
  'upstream-sign-up': (page, visit) =>
    withProvider(visit, async () => {
      await openSignUp(page, visit);
    }),
  'upstream-sign-up-problem': (page, visit) =>
    withProvider(visit, async (upstream) => {
      upstream.person = { ...upstream.person, email_verified: false };
      await openSignUp(page, visit);
      await page.fill('input[name=email]', 'traveller@nowhere');
      await page.check('input[name=agree]');
      await page.click('main button[type=submit]');
      await page.locator('[role=alert]').waitFor();
    }),
  'upstream-confirm': (page, visit) =>
    withProvider(visit, async (upstream) => {
      upstream.person = { ...upstream.person, email_verified: false };
      await openSignUp(page, visit);
      const email = `${upstream.person.sub}@people.example`;
      await page.fill('input[name=email]', email);
      await page.check('input[name=agree]');
      await page.click('main button[type=submit]');
      await page.locator('input[name=code]').waitFor();
      await page.goto((await newestProof(visit.server, email)).link);
    }),
  'upstream-link': (page, visit) =>
    withProvider(visit, async (upstream) => {
      upstream.person = { ...upstream.person, email: (await visit.server.createPerson()).email };
      await leave(page, visit);
      await page.locator('button[value=leave]').waitFor();
    }),
  'upstream-refused': (page, visit) =>
    withProvider(visit, async (upstream) => {
      upstream.wishes = { denies: 'access_denied' };
      await leave(page, visit);
      await page.locator('[role=alert]').waitFor();
    }),
};

let count = 0;

async function withProvider({ server }: Visit, visit: (upstream: TestUpstream) => Promise<void>): Promise<void> {
  const upstream = await startUpstream();
  count += 1;
  upstream.person = { ...upstream.person, sub: `tourist-${count}`, email: `tourist${count}@far.example` };
  await addProvider(server, upstream, { id: 'far', name: 'Far Islands' });
  try {
    await visit(upstream);
  } finally {
    await server.sql("update upstream_provider set disabled_at = now() where id = 'far'");
    await upstream.close();
  }
}

/** By the button, there and back. */
async function leave(page: Page, visit: Visit): Promise<void> {
  await openSignIn(page, visit);
  await page.click('a[href$="/upstream/far"]');
}

async function openSignUp(page: Page, visit: Visit): Promise<void> {
  await leave(page, visit);
  await page.locator('input[name=agree]').waitFor();
}
