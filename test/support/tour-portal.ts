import type { Page } from 'playwright-core';
import { addOwner } from '../../src/oauth/clients/owners.ts';
import type { Visit } from './tour.ts';
import { comeTo, inCommon, openAccountPage } from './visiting.ts';

/** The pages by which a developer makes an app and looks after it. Each visit has a person of its own, so that the list of apps stays short. */
export const PORTAL_TOUR: Record<string, (page: Page, visit: Visit) => Promise<void>> = {
  developer: async (page, visit) => {
    const own = await makeApp(page, visit);
    await verify(visit, own.id);
    await visit.server.sql(`update client_secret set expires_at = now() + interval '3 hours' where client_id = $1`, [own.id]);
    await page.goto(`${visit.server.issuer}/developer`);
  },
  'developer-no-apps': async (page, visit) => {
    await openAccountPage(page, await asDeveloper(visit), '/developer');
  },
  'developer-new': async (page, visit) => {
    await openAccountPage(page, await asDeveloper(visit), '/developer/clients/new');
  },
  'developer-new-problem': async (page, visit) => {
    await openAccountPage(page, await asDeveloper(visit), '/developer/clients/new');
    await fillInApp(page);
    await page.check('input[name=place][value=browser]');
    await page.fill('textarea[name=redirect_uris]', 'http://walk.example/callback\nhttps://*.walk.example/callback');
    await page.click('form button[type=submit]');
    await page.locator('[role=alert]').waitFor();
  },
  'developer-made': async (page, visit) => {
    await makeApp(page, visit);
  },
  'developer-client': async (page, visit) => {
    const { id } = await makeApp(page, visit);
    await verify(visit, id);
    const uris = JSON.stringify(['https://walk.example/callback', 'https://walk.example/callback/']);
    await visit.server.sql(`update client set metadata = jsonb_set(metadata, '{redirect_uris}', $2) where id = $1`, [id, uris]);
    await page.goto(`${visit.server.issuer}/developer/clients/${id}`);
  },
  'developer-secrets': async (page, visit) => {
    const { id, person } = await anyApp(visit);
    await comeTo(page, { ...visit, person }, `/developer/clients/${id}/secrets`);
  },
  'developer-secret-made': async (page, visit) => {
    const { id } = await makeApp(page, visit);
    await page.goto(`${visit.server.issuer}/developer/clients/${id}/secrets`);
    await page.click('form.after button[type=submit]');
    await page.locator('#secret').waitFor();
  },
  'developer-preview': async (page, visit) => {
    const { id, person } = await anyApp(visit);
    await comeTo(page, { ...visit, person }, `/developer/clients/${id}/preview`);
  },
  'developer-delete': async (page, visit) => {
    const { id, person } = await anyApp(visit);
    await comeTo(page, { ...visit, person }, `/developer/clients/${id}/delete`);
  },
};

async function asDeveloper(visit: Visit): Promise<Visit> {
  return { ...visit, person: await visit.server.createPerson() };
}

/** One that is there already, for visits that change nothing of it. */
const anyApp = inCommon(async ({ server }) => {
  const person = await server.createPerson();
  const { client_id: id } = await server.createClient({
    client_name: 'Walking Club',
    'client_name#ko': '산책 모임',
    redirect_uris: ['https://walk.example/callback'],
    grant_types: ['authorization_code', 'refresh_token'],
    scope: 'openid profile email posts:write',
  });
  await server.database.change(addOwner(id, person.id));
  return { id, person };
});

/** Makes an app by the form, and leaves the browser on the page that shows its secret. */
async function makeApp(page: Page, shared: Visit): Promise<{ id: string }> {
  const visit = await asDeveloper(shared);
  await openAccountPage(page, visit, '/developer/clients/new');
  await fillInApp(page);
  await page.click('form button[type=submit]');
  await page.locator('#secret').waitFor();
  return { id: String(await page.locator('#client-id').textContent()) };
}

/** Under another name: the visits after it are to make an app of theirs. */
async function verify({ server }: Visit, id: string): Promise<void> {
  await server.sql(
    `update client set publisher = 'Walking Inc.', verified_at = now(), metadata = metadata || '{"client_name": "Hill and Valley", "client_name#ko": "산과 골짜기"}' where id = $1`,
    [id],
  );
}

async function fillInApp(page: Page): Promise<void> {
  await page.check('input[name=place][value=server]');
  await page.check('input[name=person][value=yes]');
  await page.check('input[value=email]');
  await page.check('input[name=api][value$="/api/posts"]');
  await page.check('input[value="posts:write"]');
  await page.fill('input[name=client_name]', 'Walking Club');
  await page.click('details.names summary');
  await page.fill('input[name="client_name#ko"]', '산책 모임');
  await page.fill('textarea[name=redirect_uris]', 'https://walk.example/callback');
}
