import type { Page } from 'playwright-core';
import { CLIENT_CALLBACK } from './browser.ts';
import { createServiceClient } from './linked.ts';
import { openSignIn, type Visit } from './tour.ts';
import { addProvider, startUpstream, type TestUpstream } from './upstream.ts';
import { signIn } from './visiting.ts';

/** The pages of services at providers, for the tour of every page. Each visit has providers, an app and a person of its own. */
export const CONNECT_TOUR: Record<string, (page: Page, visit: Visit) => Promise<void>> = {
  'consent-services': (page, visit) =>
    withServices(visit, async (own) => {
      await openServices(page, own, `openid email ${own.scopes.join(' ')} posts:write`);
    }),
  'consent-services-widened': (page, visit) =>
    withServices(visit, async (own) => {
      const [one = '', ...others] = own.scopes;
      await openServices(page, own, `openid email ${one}`);
      await allow(page);
      await page.waitForURL(`${CLIENT_CALLBACK}?**`);
      await ask(page, own, `openid email ${[one, ...others].join(' ')}`);
      await page.locator('button[name=decision]').first().waitFor();
    }),
  connect: (page, visit) => withServices(visit, (own) => openConnect(page, own)),
  'connect-problem': (page, visit) =>
    withServices(visit, async (own) => {
      await openConnect(page, own);
      own.upstream.wishes = { denies: 'access_denied' };
      await page.locator('a[href*="connect/go"]').first().click();
      await page.locator('[role=alert]').waitFor();
    }),
  'account-connect': (page, visit) => withServices(visit, (own) => openLink(page, own)),
  'account-connect-problem': (page, visit) =>
    withServices(visit, async (own) => {
      await openLink(page, own);
      own.upstream.wishes = { denies: 'access_denied' };
      await page.click('main form button[type=submit]');
      await page.locator('[role=alert]').waitFor();
    }),
  // It goes on by itself, to a provider that has nothing to show: so it stays.
  onward: (page, visit) =>
    withServices(visit, async (own) => {
      await openLink(page, own);
      const gone = new Promise<void>((resolve) => {
        page.route(`${own.upstream.issuer}/authorize?**`, (route) => route.fulfill({ status: 204 }).then(resolve));
      });
      await page.click('main form button[type=submit]');
      // Nothing of the page is read before the browser has tried to go on.
      await gone;
      await page.locator('[role=status]').waitFor();
    }),
};

/** Words that stand in the database, in both languages. */
export const SERVICE_TITLES = ['calendar', 'files', 'calls'].map((service) => `Read ${service}`);

type Own = Visit & { upstream: TestUpstream; scopes: string[]; provider: string };

let count = 0;

async function withServices(visit: Visit, look: (own: Own) => Promise<void>): Promise<void> {
  const { server } = visit;
  const upstream = await startUpstream();
  count += 1;
  upstream.person = { ...upstream.person, sub: `guest-${count}` };
  const [islands, harbour] = [`islands-${count}`, `harbour-${count}`];
  await addProvider(server, upstream, { id: islands, name: 'Far Islands', services: ['calendar', 'files'], signIn: false });
  await addProvider(server, upstream, { id: harbour, name: 'Harbour', services: ['calls'], signIn: false });
  const client = await createServiceClient(server, {
    client_name: 'Moonlight',
    services: [islands, harbour],
    redirect_uris: [CLIENT_CALLBACK],
  });
  const scopes = [`${islands}:calendar`, `${islands}:files`, `${harbour}:calls`];
  try {
    await look({ server, client, person: await server.createPerson(), upstream, scopes, provider: islands });
  } finally {
    await server.sql('update upstream_provider set disabled_at = now() where id = any($1)', [[islands, harbour]]);
    await upstream.close();
  }
}

const ask = (page: Page, own: Own, scope: string) =>
  openSignIn(page, own, { scope, ...(scope.includes('posts:') ? { resource: `${own.server.issuer}/api/posts` } : undefined) });

async function openServices(page: Page, own: Own, scope: string): Promise<void> {
  await ask(page, own, scope);
  await signIn(page, own.person);
  await page.locator('button[name=decision]').first().waitFor();
}

async function allow(page: Page): Promise<void> {
  for (const box of await page.locator('input[name=scope]').all()) await box.check();
  await page.click('button[value=approve]');
}

/** Two providers are missing: the person chooses to which to go. */
async function openConnect(page: Page, own: Own): Promise<void> {
  await openServices(page, own, `openid ${own.scopes.join(' ')}`);
  await allow(page);
  await page.locator('button[value=without]').waitFor();
}

/** The page that an app sends its person to, who went on without before. */
async function openLink(page: Page, own: Own): Promise<void> {
  await openConnect(page, own);
  await page.click('button[value=without]');
  await page.waitForURL(`${CLIENT_CALLBACK}?**`);
  const query = new URLSearchParams({ client_id: own.client.client_id, redirect_uri: CLIENT_CALLBACK, state: 's' });
  await page.goto(`${own.server.issuer}/account/links/${own.provider}/connect?${query}`);
  await page.locator('main form').waitFor();
}
