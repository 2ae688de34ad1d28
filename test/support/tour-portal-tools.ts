import type { Page } from 'playwright-core';
import { addOwner } from '../../src/oauth/clients/owners.ts';
import { authorizePath, obtainTokens, pkce, post } from './flow.ts';
import type { Visit } from './tour.ts';
import { comeTo, inCommon } from './visiting.ts';

/** The tools of the developer portal, for the tour of every page. Each visit has a developer and clients of its own. */
export const PORTAL_TOOLS_TOUR: Record<string, (page: Page, visit: Visit) => Promise<void>> = {
  'developer-errors': async (page, visit) => {
    const own = await developer(visit);
    await makeMistakes(own);
    await comeTo(page, own, `${own.path}/errors`);
  },
  'developer-errors-none': async (page, visit) => {
    const own = await anybody(visit);
    await comeTo(page, own, `${own.path}/errors`);
  },
  'developer-error-for-owner': async (page, visit) => {
    const own = await developer(visit);
    await comeTo(page, own, '/account');
    await page.goto(own.server.issuer + authorizePath(own.client, { ...pkce(), redirect_uri: 'http://client.example/Callback/' }));
  },
  'developer-try': async (page, visit) => {
    const own = await anybody(visit);
    await comeTo(page, own, `${own.path}/try`);
  },
  'developer-try-request': async (page, visit) => {
    await openRequest(page, visit);
  },
  'developer-try-code': async (page, visit) => {
    await openRequest(page, visit);
    await comeBack(page);
  },
  'developer-try-refused': async (page, visit) => {
    await openRequest(page, visit);
    await comeBack(page);
    await page.fill('#client_secret', 'not-the-secret');
    await page.click('button[value=redeem]');
    await page.locator('[role=alert]').waitFor();
  },
  'developer-try-tokens': openTokens,
  'developer-try-revoked': async (page, visit) => {
    await openTokens(page, visit);
    await page.click('button[value=revoke]');
    await page.locator('button[value=revoke]').waitFor({ state: 'detached' });
  },
  'developer-snippets': async (page, visit) => {
    const own = await anybody(visit);
    await comeTo(page, own, `${own.path}/snippets`);
  },
  'developer-quick-start': async (page, visit) => {
    const own = await anybody(visit);
    await comeTo(page, own, `${own.path}/snippets?for=express`);
  },
  'developer-protocol': async (page, visit) => {
    const own = await anybody(visit);
    await comeTo(page, own, `${own.path}/protocol`);
  },
  'developer-health': async (page, visit) => {
    const own = await developer(visit);
    await obtainTokens(own.server, own.client, own.person, { scope: 'openid profile' });
    await makeMistakes(own);
    await own.server.sql('insert into client_pkce_use (client_id, unbound_at) values ($1, now()) on conflict do nothing', [
      own.client.client_id,
    ]);
    await own.server.sql(`update client_secret set expires_at = now() + interval '2 days', label = 'Old server' where client_id = $1`, [
      own.client.client_id,
    ]);
    await comeTo(page, own, `${own.path}/health`);
  },
  'developer-use': async (page, visit) => {
    const own = await developer(visit);
    await obtainTokens(own.server, own.client, own.person, { scope: 'openid profile' });
    await comeTo(page, own, `${own.path}/use`);
  },
};

type Own = Pick<Visit, 'server' | 'person'> & { client: { client_id: string; client_secret: string; redirect_uri: string }; path: string };

async function developer({ server }: Visit): Promise<Own> {
  const person = await server.createPerson();
  const client = await server.createClient({
    client_name: 'Moonlight',
    redirect_uris: ['https://client.example/a/rather/long/path/to/the/callback'],
    grant_types: ['authorization_code', 'client_credentials', 'urn:ietf:params:oauth:grant-type:device_code'],
  });
  await server.database.change(addOwner(client.client_id, person.id));
  return { server, person, client, path: `/developer/clients/${client.client_id}` };
}

/** For visits that change nothing of it. */
const anybody = inCommon(developer);

async function makeMistakes({ server, client }: Own): Promise<void> {
  const [clientId, detail] = [client.client_id, JSON.stringify({ grant_type: 'x', reason: 'something new' })];
  await server.send(new URL(authorizePath(client, { ...pkce(), redirect_uri: 'http://client.example/A/rather/' }), server.issuer));
  await post(server, '/oauth/token', { ...client, client_secret: 'wrong' }, { grant_type: 'client_credentials' });
  await post(server, '/oauth/token', { client_id: clientId, redirect_uri: '' }, { grant_type: 'client_credentials' });
  await server.sql(
    `insert into client_error (id, client_id, endpoint, error, description, request_id, detail) values ($1, $1, 'token', 'new_error', 'as it was said', $1, $2)`,
    [clientId, detail],
  );
  for (let n = 0; n < 400; n++) {
    const [row] = await server.sql('select count(*)::int from client_error where client_id = $1', [clientId]);
    if (Number(row?.['count']) >= 4) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function openRequest(page: Page, visit: Visit): Promise<Own> {
  const own = await developer(visit);
  await comeTo(page, own, `${own.path}/try`);
  await page.click('button[value=add]');
  await page.locator('a[href^="/oauth/authorize"]').waitFor();
  return own;
}

async function comeBack(page: Page): Promise<void> {
  await page.click('a[href^="/oauth/authorize"]');
  await page.click('button[value=approve]');
  await page.locator('button[value=redeem]').waitFor();
}

async function openTokens(page: Page, visit: Visit): Promise<void> {
  const own = await openRequest(page, visit);
  await comeBack(page);
  await page.fill('#client_secret', own.client.client_secret);
  await page.click('button[value=redeem]');
  await page.locator('button[value=revoke]').waitFor();
}
