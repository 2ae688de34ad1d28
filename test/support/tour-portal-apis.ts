import type { Page } from 'playwright-core';
import { own } from './owned-apis.ts';
import type { Visit } from './tour.ts';
import { comeTo, inCommon } from './visiting.ts';

/** The portal's pages of APIs, owners and manifests, for the tour of every page. Each visit has a developer, a client and an API of its own. */
export const PORTAL_API_TOUR: Record<string, (page: Page, visit: Visit) => Promise<void>> = {
  'developer-no-apis': async (page, visit) => comeTo(page, { ...visit, person: await visit.server.createPerson() }, '/developer/apis'),
  'developer-apis': (page, visit) => withAnyApi(visit, (own) => comeTo(page, own, '/developer/apis')),
  'developer-new-api': (page, visit) => withAnyApi(visit, (own) => comeTo(page, own, '/developer/apis/new')),
  'developer-new-api-problem': (page, visit) =>
    withAnyApi(visit, async (own) => {
      await comeTo(page, own, '/developer/apis/new');
      await page.fill('input[name=identifier]', 'http://api.example');
      await page.fill('input[name=name]', 'Books');
      await page.click('form button[type=submit]');
      await page.locator('[role=alert]').waitFor();
    }),
  'developer-api': (page, visit) => withAnyApi(visit, (own) => comeTo(page, own, own.api)),
  'developer-api-scopes': (page, visit) =>
    withAnyApi(visit, async (own) => {
      await comeTo(page, own, `${own.api}/scopes`);
      await page.locator('details').first().locator('summary').click();
    }),
  'developer-api-introspection': (page, visit) => withAnyApi(visit, (own) => comeTo(page, own, `${own.api}/introspection`)),
  'developer-api-client': (page, visit) =>
    withApi(visit, async (own) => {
      await comeTo(page, own, `${own.api}/introspection`);
      await page.click('button[name=make]');
      await page.locator('code.secret').first().waitFor();
    }),
  'developer-api-delete': (page, visit) => withAnyApi(visit, (own) => comeTo(page, own, `${own.api}/delete`)),
  'developer-owners': (page, visit) =>
    withApi(visit, async (own) => {
      await comeTo(page, own, `${own.client}/owners`);
      await page.fill('input[name=email]', 'a.long.address.of.a.colleague@subdomain.people.example');
      await page.check('input[name=transfer]');
      await page
        .locator('form', { has: page.locator('input[name=email]') })
        .locator('button')
        .click();
      await page.locator('button[name=withdraw]').waitFor();
    }),
  'developer-invitations': (page, visit) =>
    withApi(visit, async (own) => {
      await own.server.sql(
        `insert into client_invitation (id, client_id, email, invited_by, transfer, expires_at)
         select gen_random_uuid()::text, $1, $2, u.id, true, now() + interval '7 days' from user_account u where u.email = $3`,
        [own.clientId, visit.person.email, own.person.email],
      );
      await comeTo(page, visit, '/developer/invitations');
    }),
  'developer-no-invitations': async (page, visit) =>
    comeTo(page, { ...visit, person: await visit.server.createPerson() }, '/developer/invitations'),
  'developer-manifest': (page, visit) => withAnyApi(visit, (own) => comeTo(page, own, `${own.client}/manifest`)),
  'developer-manifest-changes': (page, visit) =>
    withAnyApi(visit, async (own) => {
      await comeTo(page, own, `${own.client}/manifest`);
      const text = await page.inputValue('textarea');
      await page.fill('textarea', text.replace('Moonlight', 'Sunlight').replace('{', '{ "colour": "blue",'));
      await page
        .locator('form', { has: page.locator('textarea') })
        .locator('button')
        .click();
      await page.locator('button[name=apply]').waitFor();
    }),
  'developer-import': (page, visit) => withAnyApi(visit, (own) => comeTo(page, own, '/developer/import')),
  'developer-import-problem': (page, visit) =>
    withAnyApi(visit, async (own) => {
      await comeTo(page, own, '/developer/import');
      await page.fill('textarea', '{ "munjigi_manifest": 1, "redirect_uris": ["http://app.example"] }');
      await page
        .locator('form', { has: page.locator('textarea') })
        .locator('button')
        .click();
      await page.locator('[role=alert]').waitFor();
    }),
  'developer-imported': (page, visit) =>
    withApi(visit, async (own) => {
      await comeTo(page, own, '/developer/import');
      await page.fill(
        'textarea',
        '{ "munjigi_manifest": 1, "client_name": "Garden Helper", "redirect_uris": ["https://app.example/callback"] }',
      );
      await page
        .locator('form', { has: page.locator('textarea') })
        .locator('button')
        .click();
      await page.click('button[name=apply]');
      await page.locator('code.secret').first().waitFor();
    }),
};

/** Words that stand in the database, in both languages. */
export const API_TITLES = ['See your bookshelf', 'Lend your books to others in your name'];

type Own = Pick<Visit, 'server' | 'person'> & { api: string; client: string; clientId: string };

let count = 0;

async function withApi(visit: Visit, look: (own: Own) => Promise<void>): Promise<void> {
  await look(await makeApi(visit));
}

/** For visits that change nothing of it. */
async function withAnyApi(visit: Visit, look: (own: Own) => Promise<void>): Promise<void> {
  await look(await anyApi(visit));
}

const anyApi = inCommon(makeApi);

async function makeApi({ server }: Visit): Promise<Own> {
  const [person, { client_id: clientId }] = await Promise.all([
    server.createPerson(),
    server.createClient({ client_name: 'Moonlight', scope: 'openid profile email' }),
  ]);
  await own(server, clientId, person.id);
  count += 1;
  const identifier = `https://a-rather-long-name.of-an-api.books.example/v${count}`;
  const [row] = await server.sql(`insert into resource_server (identifier, name, owner_id) values ($1, 'Books', $2) returning id`, [
    identifier,
    person.id,
  ]);
  await server.sql(
    `insert into scope (resource_server_id, name, title_ko, title_en, sensitive, may_be_required, position)
     values ($1, 'books:read', $2, $2, false, true, 1), ($1, 'books:lend', $3, $3, true, false, 2)`,
    [identifier, ...API_TITLES],
  );
  return { server, person, api: `/developer/apis/${row?.['id']}`, client: `/developer/clients/${clientId}`, clientId };
}
