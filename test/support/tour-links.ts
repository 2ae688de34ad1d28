import type { Page } from 'playwright-core';
import { createReaching, createServiceClient } from './linked.ts';
import type { Visit } from './tour.ts';
import { addProvider, startUpstream, type TestUpstream } from './upstream.ts';
import { openAccountPage } from './visiting.ts';

/** The pages about accounts at providers, for the tour of every page. Each visit has people and providers of its own. */
export const LINK_TOUR: Record<string, (page: Page, visit: Visit) => Promise<void>> = {
  'account-links': (page, visit) =>
    withLinks(visit, async (own) => {
      await openAccountPage(page, own, '/account/links');
    }),
  'account-links-apps': (page, visit) =>
    withLinks(visit, async (own) => {
      await openAccountPage(page, own, '/account/apps');
    }),
  'account-links-none': async (page, visit) => {
    await openAccountPage(page, { ...visit, person: await visit.server.createPerson() }, '/account/links');
  },
  'account-links-problem': (page, visit) =>
    withLinks(visit, async ({ upstream, ...own }) => {
      await openAccountPage(page, own, '/account/links');
      upstream.wishes = { denies: 'access_denied' };
      await page.click('main a[href*="wish="]');
      await page.locator('[role=alert]').waitFor();
    }),
};

type Own = Pick<Visit, 'server' | 'person'> & { upstream: TestUpstream };

/** Somebody who has linked one account of two, and lets an app act for them there. */
async function withLinks({ server }: Visit, look: (own: Own) => Promise<void>): Promise<void> {
  const upstream = await startUpstream();
  upstream.person = { ...upstream.person, email: 'a.long.address.of.a.traveller@subdomain.islands.example' };
  await addProvider(server, upstream, { id: 'far', name: 'Far Islands', services: ['calendar', 'files'], signIn: false });
  await addProvider(server, upstream, { id: 'harbour', name: 'Harbour', signIn: false });
  const client = await createServiceClient(server, { client_name: 'Moonlight' });
  const { person } = await createReaching(server, upstream, { client, services: ['calendar', 'files'] });
  try {
    await look({ server, person, upstream });
  } finally {
    await server.sql(`update upstream_provider set disabled_at = now() where id in ('far', 'harbour')`);
    await upstream.close();
  }
}
