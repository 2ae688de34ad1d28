import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { approve, authorizePath, obtainCode, pkce, type TestClient } from '../support/flow.ts';
import { type Page, Person } from '../support/person.ts';
import { type MadeClient, makeClient, sendTo } from '../support/portal.ts';
import { leadsTo } from '../support/refusals.ts';
import { countRows, unchanged } from '../support/storage.ts';

const SETTINGS = { client_name: 'Walking Club', redirect_uris: 'https://walk.example/callback', scope: ['openid', 'profile'] };

describe('PKCE in the portal', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  type Made = MadeClient & { path: string; client: TestClient; owner: { email: string; password: string } };
  async function made(answers: Record<string, string | string[]> = {}, language = 'en'): Promise<Made> {
    const browser = Object.assign(new Person(server.issuer), { headers: { 'accept-language': language } });
    const owner = await server.createPerson();
    const app = await makeClient(server, owner, answers, browser);
    return { ...app, owner, path: `/developer/clients/${app.client_id}`, client: app as unknown as TestClient };
  }
  const look = (app: Made) => app.page.person.open(app.path);
  const metadataOf = async ({ client_id }: MadeClient) =>
    (await server.sql('select metadata from client where id = $1', [client_id]))[0]?.['metadata'] as Record<string, unknown>;
  const required = async (app: Made) => (await metadataOf(app))['require_pkce'];
  const recorded = async ({ client_id }: MadeClient) =>
    (
      await server.sql(
        'select bound_at is not null as bound, unbound_at is not null as unbound, in_a_row from client_pkce_use where client_id = $1',
        [client_id],
      )
    )[0];
  const changes = ({ client_id }: MadeClient) =>
    countRows(server, `audit_event where type = 'client_changed' and client_id = $1`, [client_id]);

  const bound = async (app: Made) => {
    await obtainCode(server, app.client, await server.createPerson());
    await server.write();
  };
  const unbound = async (app: Made) => {
    await approve(server, new Person(server.issuer), await server.createPerson(), authorizePath(app.client));
    await server.write();
  };
  const NOT_BOUND = /The codes of this app are not bound to the browser that asked/;
  const BUTTON = /name="act" value="require_pkce"/;
  const box = (page: Page) => /<input type="checkbox" name="require_pkce" value="yes"( checked)?>/.exec(page.html);

  it('is required where the box is ticked, of a new app and in its settings, and no longer where it is not', async () => {
    const app = await made({ require_pkce: 'yes' });
    assert.equal(await required(app), true);
    assert.equal(box(await look(app))?.[1], ' checked');
    assert.match((await look(app)).html, /Required by a setting of the app/);
    const page = await sendTo(app.page, app.path, SETTINGS);
    assert.equal(page.url.search, '?done', page.html);
    assert.equal('require_pkce' in (await metadataOf(app)), false);
    assert.equal(box(page)?.[1], undefined);
    assert.match(page.html, /Optional for this app/);
    await sendTo(page, app.path, { ...SETTINGS, require_pkce: 'yes' });
    assert.equal(await required(app), true);
    assert.equal(await changes(app), 2);
    await unchanged(server, () => sendTo(page, app.path, { ...SETTINGS, require_pkce: 'yes' }), ['session']);
  });

  it('has no box where an app must use it or gets no codes, and a form cannot take it away there', async () => {
    const app = await made({ place: 'browser', require_pkce: 'yes' });
    const page = await look(app);
    assert.equal(box(page), null);
    assert.match(page.html, /Required: the app has no secret/);
    await sendTo(page, app.path, SETTINGS);
    assert.equal(await required(app), true);
    const machine = await made({ place: 'service', person: 'no', redirect_uris: '', require_pkce: 'yes', scope: 'api' });
    assert.equal('require_pkce' in (await metadataOf(machine)), false);
    assert.doesNotMatch((await look(machine)).html, /PKCE/);
  });

  it('is said to be missing after a sign-in without it, in both languages, and offered when twenty in a row had it', async () => {
    const app = await made();
    assert.doesNotMatch((await look(app)).html, NOT_BOUND);
    await unbound(app);
    const page = await look(app);
    assert.match(page.html, NOT_BOUND);
    assert.doesNotMatch(page.html, BUTTON);
    const korean = await app.page.person.open(`${app.path}?lang=ko`);
    assert.match(korean.html, /이 앱의 인가 코드는 요청한 브라우저에 묶여 있지 않아요/);
    await app.page.person.open(`${app.path}?lang=en`);
    await bound(app);
    assert.deepEqual(await recorded(app), { bound: true, unbound: true, in_a_row: 1 });
    await server.sql('update client_pkce_use set in_a_row = 18 where client_id = $1', [app.client_id]);
    await bound(app);
    assert.match((await look(app)).html, NOT_BOUND);
    await bound(app);
    const offered = await look(app);
    assert.doesNotMatch(offered.html, NOT_BOUND);
    assert.match(offered.html, BUTTON);
    await bound(app);
    await unbound(app);
    assert.deepEqual(await recorded(app), { bound: true, unbound: true, in_a_row: 0 });
    assert.match((await look(app)).html, NOT_BOUND);
  });

  it('is offered when all sign-ins of seven days had it, and no longer when there were none', async () => {
    const app = await made();
    await unbound(app);
    await bound(app);
    assert.match((await look(app)).html, NOT_BOUND);
    await server.sql(`update client_pkce_use set unbound_at = now() - interval '169 hours' where client_id = $1`, [app.client_id]);
    assert.match((await look(app)).html, BUTTON);
    await server.sql(`update client_pkce_use set bound_at = now() - interval '169 hours' where client_id = $1`, [app.client_id]);
    assert.doesNotMatch((await look(app)).html, BUTTON);
  });

  it('is required by one press of the button, or two; the app stays verified, and its requests without PKCE are refused', async () => {
    const app = await made();
    await bound(app);
    await server.sql(`update client set publisher = 'Walking Inc.', verified_at = now() where id = $1`, [app.client_id]);
    const page = await look(app);
    assert.match(page.html, BUTTON);
    const pressed = await Promise.all([1, 2].map(() => sendTo(page, app.path, { act: 'require_pkce' })));
    for (const { url, response } of pressed) assert.deepEqual([url.pathname, response.status], [app.path, 200]);
    assert.equal(await required(app), true);
    assert.equal(await changes(app), 1);
    const [row] = await server.sql('select publisher from client where id = $1', [app.client_id]);
    assert.equal(row?.['publisher'], 'Walking Inc.');
    // A verified name is nobody else's: the apps of the next tests have the same.
    await server.sql('update client set publisher = null, verified_at = null where id = $1', [app.client_id]);
    assert.doesNotMatch((await look(app)).html, BUTTON);
    const refused = async () => leadsTo(await new Person(server.issuer).request(authorizePath(app.client)));
    await eventually('the server refuses', async () => /error=invalid_request/.test(await refused()));
  });

  it('is not for somebody else to require, nor of a suspended app', async () => {
    const [app, other] = [await made(), await made()];
    await bound(app);
    const page = await look(app);
    await unchanged(server, async () => {
      assert.equal((await sendTo(other.page, app.path, { act: 'require_pkce' })).response.status, 404);
    }, ['session', 'audit_event']);
    await server.sql('update client set suspended_at = now() where id = $1', [app.client_id]);
    assert.doesNotMatch((await look(app)).html, BUTTON);
    await unchanged(server, () => sendTo(page, app.path, { act: 'require_pkce' }), ['session', 'rate_limit']);
  });

  it('is recorded of all nodes together, of no app that must use it, and not of the portal’s own trial', async () => {
    const [app, strict, trial] = [await made(), await made({ require_pkce: 'yes' }), await made()];
    const other = await server.secondNode();
    try {
      const { person } = await obtainCode(server, app.client, await server.createPerson());
      const elsewhere = async (parameters: Record<string, string>) => {
        const cookie = person.cookies().join('; ');
        const path = server.issuer + authorizePath(app.client, parameters);
        const answer = await other.send(path, { redirect: 'manual', headers: { cookie, accept: 'text/html' } });
        assert.match(String(answer.headers.get('location')), /code=/);
        await other.write();
      };
      const { code_verifier: _, ...challenge } = pkce();
      await elsewhere(challenge);
      assert.deepEqual(await recorded(app), { bound: true, unbound: false, in_a_row: 1 });
      await server.write();
      assert.deepEqual(await recorded(app), { bound: true, unbound: false, in_a_row: 2 });
      await elsewhere({});
      assert.deepEqual(await recorded(app), { bound: true, unbound: true, in_a_row: 0 });
    } finally {
      await other.close();
    }
    await bound(strict);
    assert.equal(await recorded(strict), undefined);
    const { path } = trial;
    const ready = await sendTo(await trial.page.person.open(`${path}/try`), `${path}/try`, { act: 'add' });
    const href = String(/href="(\/oauth\/authorize[^"]+)"/.exec(ready.html)?.[1]).replaceAll('&amp;', '&');
    const consent = await ready.person.open(href);
    assert.match((await consent.submit({ scope: consent.optionalScopes, decision: 'approve' })).html, /the authorization code/i);
    await server.write();
    assert.equal(await recorded(trial), undefined);
  });

  it('keeps what an app that was deleted meanwhile leaves from disturbing the others', async () => {
    const [gone, app] = [await made(), await made()];
    await approve(server, new Person(server.issuer), await server.createPerson(), authorizePath(gone.client));
    await server.sql('delete from client where id = $1', [gone.client_id]);
    await unbound(app);
    assert.equal(await recorded(gone), undefined);
    assert.deepEqual(await recorded(app), { bound: false, unbound: true, in_a_row: 0 });
  });

  it('is in the manifest, both ways', async () => {
    const app = await made({ require_pkce: 'yes' });
    const file = JSON.parse((await app.page.person.open(`${app.path}/manifest/file`)).html) as Record<string, unknown>;
    assert.equal(file['require_pkce'], true);
    const page = await app.page.person.open(`${app.path}/manifest`);
    await sendTo(page, `${app.path}/manifest`, { text: JSON.stringify({ ...file, require_pkce: false }), apply: 'yes' });
    assert.equal(await required(app), false);
    const wrong = await unchanged(
      server,
      () => sendTo(page, `${app.path}/manifest`, { text: JSON.stringify({ ...file, require_pkce: 'no' }) }),
      ['session'],
    );
    assert.match(wrong.html, /require_pkce must be a boolean/);
  });
});
