import type { Page } from 'playwright-core';
import { createInitialAccessToken } from '../../src/features/registration/initial-access-tokens.ts';
import { addOwner } from '../../src/oauth/clients/owners.ts';
import { rotateSecret } from '../../src/oauth/clients/store.ts';
import { randomSecret } from '../../src/platform/secrets.ts';
import { showTwoFactors } from './admin.ts';
import { freePort } from './environment.ts';
import { type Credentials, obtainTokens } from './flow.ts';
import type { Visit } from './tour.ts';
import { comeTo, follow, inCommon, openAccountPage } from './visiting.ts';

/** The pages of administration, as an admin meets them, with something on each. */

const SECRET = 'an initial access token of the tour';

type Begun = {
  admin: Credentials & { id: string };
  client: { client_id: string; client_secret: string };
  personPath: string;
  clientPath: string;
};

/** Somebody allowed an app something, and counts of a day were written. @returns what pages are about, and an admin to see them. */
const prepare = inCommon(async ({ server, client: { redirect_uri } }): Promise<Begun> => {
  // Of its own, so that other visits meet what they expect.
  const [person, client] = [
    await server.createPerson(),
    await server.createClient({ client_name: 'Photo Helper', redirect_uris: [redirect_uri] }),
  ];
  await obtainTokens(server, client, person);
  await writeCounts(server);
  await server.sql("update client set registration = 'dynamic' where id = $1", [client.client_id]);
  await server.database.change(
    createInitialAccessToken(`${SECRET} ${Math.random()}`, {
      name: '파트너 개발팀',
      maxClients: 5,
      lifeSeconds: 86_400,
      grantTypes: [],
      scopes: [],
    }),
  );
  await server.database.change(rotateSecret(client.client_id, randomSecret(), 86_400));
  const owners = [await server.createPerson({ name: '박개발' }), await server.createPerson({ name: 'Ada Developer' })];
  for (const { id } of owners) await server.database.change(addOwner(client.client_id, id));
  const admin = await server.createPerson({ role: 'admin' });
  return { admin, client, personPath: `/admin/people/${person.id}`, clientPath: `/admin/clients/${client.client_id}` };
});

async function begin(page: Page, visit: Visit): Promise<Begun> {
  const begun = await prepare(visit);
  await comeTo(page, { server: visit.server, person: begun.admin }, '/account');
  await showTwoFactors(visit.server, begun.admin.id);
  return begun;
}

/** Signs in an admin of its own, who has one factor. @param due what is written of when the second one is. */
async function comeByPassword(page: Page, { server }: Visit, due: string): Promise<void> {
  const admin = await server.createPerson({ role: 'admin', name: '한비밀' });
  await server.sql(`update user_account set ${due} where id = $1`, [admin.id]);
  await page.context().clearCookies();
  await openAccountPage(page, { server, person: admin }, '/account');
}

/** Another node of the server, on which administration has a port of its own. It is closed with the server. @returns its origin. */
const originApart = inCommon(async ({ server }): Promise<string> => {
  const adminPort = await freePort();
  const adminOrigin = `http://localhost:${adminPort}`;
  const { close } = await server.secondNode({ adminPort, adminOrigin });
  const closeServer = server.close;
  Object.assign(server, { close: () => close().then(closeServer) });
  return adminOrigin;
});

/** A day and a month of a place that is used. */
async function writeCounts(server: Visit['server']): Promise<void> {
  await server.sql(`
    insert into hourly_count (hour, name, label, count)
    select date_trunc('hour', now()) - h * interval '1 hour', k.name, k.label, (k.most * (1 + sin(h / 4.0)))::bigint + 1
    from generate_series(0, 720) h, (values
      ('sign_in', 'password', 40), ('sign_in', 'passkey', 20), ('sign_in', 'upstream', 9), ('sign_in_failed', 'password', 12), ('sign_in_failed', 'factor', 2),
      ('token', 'authorization_code', 60), ('token', 'refresh_token', 300), ('token', 'client_credentials', 90), ('token', 'device_code', 4),
      ('error', 'invalid_grant', 11), ('error', 'invalid_client', 7), ('error', 'access_denied', 3), ('error', 'login_required', 5),
      ('introspection', 'active', 4000), ('introspection', 'inactive', 300), ('authorization', 'success', 60)) k (name, label, most)
    on conflict do nothing`);
}

const at = (path: string) => async (page: Page, visit: Visit) => {
  await begin(page, visit);
  await page.goto(visit.server.issuer + path);
};

const ofClient = (act: string) => async (page: Page, visit: Visit) => {
  const { clientPath } = await begin(page, visit);
  await page.goto(visit.server.issuer + clientPath + act);
};

const ofPerson = (act: string) => async (page: Page, visit: Visit) => {
  const { personPath } = await begin(page, visit);
  await page.goto(visit.server.issuer + personPath + act);
};

/** What is asked before the first thing of a kind on a page is ended. */
const chosen = (reach: (page: Page, visit: Visit) => Promise<void>, what: string) => async (page: Page, visit: Visit) => {
  await reach(page, visit);
  await follow(page, `a[aria-describedby="${what}-0"]`);
};

export const ADMIN_TOUR: Record<string, (page: Page, visit: Visit) => Promise<void>> = {
  admin: at('/admin'),
  'admin-days': at('/admin?span=days'),
  // By somebody who has one factor: the first admin has some days, whoever comes after has none.
  'admin-factor-grace': async (page, visit) => {
    await comeByPassword(page, visit, "factor_due_at = now() + interval '5 days'");
    await page.goto(`${visit.server.issuer}/admin`);
  },
  'admin-factor-owed': async (page, visit) => {
    await comeByPassword(page, visit, 'factor_due_at = now()');
    await page.goto(`${visit.server.issuer}/admin`);
  },
  // On a listener of their own.
  'admin-apart': async (page, visit) => {
    await begin(page, visit);
    await page.goto(`${await originApart(visit)}/admin/keys`);
  },
  'admin-sign-in-gone': async (page, visit) => {
    await page.goto(`${await originApart(visit)}/admin/signed-in?state=of-another-browser`);
  },
  // As on the first day of a place.
  'admin-empty': async (page, visit) => {
    await begin(page, visit);
    await visit.server.sql('truncate hourly_count');
    await page.goto(`${visit.server.issuer}/admin`);
    await writeCounts(visit.server);
  },
  'admin-tables': async (page, visit) => {
    await at('/admin')(page, visit);
    for (const summary of await page.locator('summary').all()) await summary.click();
  },
  'admin-people': at('/admin/people'),
  'admin-new-person': at('/admin/people/new'),
  'admin-person': ofPerson(''),
  'admin-person-disable': ofPerson('/disable'),
  'admin-person-role': ofPerson('/role'),
  'admin-person-session': chosen(ofPerson(''), 'session'),
  'admin-clients': at('/admin/clients'),
  'admin-client': ofClient(''),
  'admin-client-secret': chosen(ofClient(''), 'secret'),
  'admin-client-add-owner': ofClient('/owners/add'),
  'admin-client-remove-owner': chosen(ofClient(''), 'owner'),
  'admin-client-verify': ofClient('/verify'),
  'admin-client-suspend': ofClient('/suspend'),
  'admin-client-services': ofClient('/services'),
  'admin-client-admin-scopes': ofClient('/admin-scopes'),
  'admin-client-delete': async (page, visit) => {
    await ofClient('/delete')(page, visit);
    await page.fill('input[name=typed]', 'another');
    await page.click('main button[type=submit]');
    await page.locator('[role=alert]').waitFor();
  },
  'admin-access': at('/admin/access'),
  'admin-access-end': async (page, visit) => {
    await at('/admin/access')(page, visit);
    await follow(page, 'main section.item a.button');
  },
  'admin-tokens': async (page, visit) => {
    const { client } = await begin(page, visit);
    await visit.server.send(`${visit.server.issuer}/oauth/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`${client.client_id}:${client.client_secret}`).toString('base64')}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'api' }),
    });
    await page.goto(`${visit.server.issuer}/admin/tokens`);
  },
  'admin-apis': at('/admin/apis'),
  'admin-keys': at('/admin/keys'),
  'admin-keys-rotate': at('/admin/keys/rotate'),
  'admin-keys-replace': at('/admin/keys/replace'),
  'admin-registration': at('/admin/registration'),
  'admin-registration-new': at('/admin/registration/new'),
  'admin-registration-made': async (page, visit) => {
    await at('/admin/registration/new')(page, visit);
    await page.fill('input[name=name]', 'CI');
    await page.click('main button[type=submit]');
    await page.locator('.secret').waitFor();
  },
  'admin-audit': at('/admin/audit'),
};
