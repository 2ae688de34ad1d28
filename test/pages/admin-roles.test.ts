import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ageSignIns } from '../support/account.ts';
import { act, createSubjects, look, type Operator, ROLES, type Subjects, signInAs, stateOf, visitor } from '../support/admin.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';

type Role = (typeof ROLES)[number];

/** Each page by the roles that see it, and each act by those that may do it: address, form, event. */
const SEES: Role[] = ['auditor', 'support', 'admin'];
const PAGES = (of: Subjects): string[] => [
  '/admin',
  '/admin?span=days',
  '/admin/people',
  `/admin/people/${of.person.id}`,
  '/admin/clients',
  `/admin/clients/${of.client.client_id}`,
  '/admin/access',
  '/admin/tokens',
  '/admin/apis',
  '/admin/keys',
  '/admin/registration',
  '/admin/audit',
];

type Doing = { path: string; may: Role[]; type: string; fields?: Record<string, string> };

const HELPS: Role[] = ['support', 'admin'];
const RUNS: Role[] = ['admin'];

// In an order in which each finds what it needs: the subject is made anew for each role.
const ACTS = (of: Subjects, issuer: string): Doing[] => {
  const [person, client] = [`/admin/people/${of.person.id}`, `/admin/clients/${of.client.client_id}`];
  return [
    { path: '/admin/audit', may: ['auditor', 'admin'], type: 'audit_exported' },
    { path: `/admin/tokens/${of.handle}/end`, may: HELPS, type: 'access_ended' },
    { path: `/admin/access/${of.grant}/end`, may: HELPS, type: 'access_ended' },
    { path: `${person}/end-access`, may: HELPS, type: 'access_ended' },
    { path: `${person}/sessions/${of.session}/end`, may: HELPS, type: 'session_ended' },
    { path: `${person}/end-sessions`, may: HELPS, type: 'signed_out_everywhere' },
    { path: `${person}/remove-factors`, may: HELPS, type: 'factors_removed' },
    { path: `${person}/disable`, may: HELPS, type: 'account_disabled' },
    { path: `${person}/enable`, may: HELPS, type: 'account_enabled' },
    { path: `${person}/role`, may: RUNS, type: 'role_changed', fields: { role: 'support' } },
    {
      path: '/admin/people/new',
      may: HELPS,
      type: 'account_made',
      fields: { email: `${of.handle}@people.example`, name: '김영희', role: 'user', language: 'ko' },
    },
    { path: `${client}/verify`, may: RUNS, type: 'client_verified', fields: { publisher: 'Example Inc.' } },
    { path: `${client}/unverify`, may: RUNS, type: 'client_unverified' },
    { path: `${client}/require-pkce`, may: RUNS, type: 'client_pkce_changed' },
    { path: `${client}/waive-pkce`, may: RUNS, type: 'client_pkce_changed' },
    { path: `${client}/services`, may: RUNS, type: 'client_services_changed', fields: { origins: '' } },
    { path: `${client}/admin-scopes`, may: RUNS, type: 'client_admin_scopes_changed', fields: { scopes: 'admin:read' } },
    { path: `${client}/secrets/${of.secret}/end`, may: RUNS, type: 'client_secret_ended' },
    { path: `${client}/owners/add`, may: RUNS, type: 'client_owner_joined', fields: { email: of.person.email } },
    { path: `${client}/owners/${of.owner.id}/remove`, may: RUNS, type: 'client_owner_left' },
    { path: `${client}/end-access`, may: HELPS, type: 'access_ended' },
    { path: `${client}/suspend`, may: RUNS, type: 'client_suspended' },
    { path: `${client}/restore`, may: RUNS, type: 'client_restored' },
    { path: `${client}/delete`, may: RUNS, type: 'client_deleted', fields: { typed: of.client.client_id } },
    { path: `/admin/apis/${of.api}/delete`, may: RUNS, type: 'resource_server_deleted', fields: { typed: of.identifier } },
    { path: '/admin/registration/new', may: RUNS, type: 'initial_access_token_made', fields: { name: 'CI', clients: '3', hours: '1' } },
    { path: `/admin/registration/${of.initial}/end`, may: RUNS, type: 'initial_access_token_ended' },
    { path: '/admin/keys/rotate', may: RUNS, type: 'keys_rotated' },
    { path: '/admin/keys/replace', may: RUNS, type: 'keys_rotated', fields: { typed: new URL(issuer).host } },
  ];
};

describe('Administration by role', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  const eventsBy = async (operator: Operator) =>
    server.sql('select type, actor_id, account_id, client_id, address, request_id from audit_event where actor_id = $1 order by at, id', [
      operator.id,
    ]);

  for (const role of ROLES) {
    it(`${role}: each page, and each act, is there or is not`, async () => {
      const [operator, subjects] = [await signInAs(server, role), await createSubjects(server)];
      for (const path of PAGES(subjects)) {
        const { status, html } = await look(operator, path);
        assert.equal(status, SEES.includes(role) ? 200 : 404, `${role} ${path}`);
        if (status === 404) assert.doesNotMatch(html, /admin/i, path);
      }
      for (const { path, may, type, fields } of ACTS(subjects, server.issuer)) {
        const [before, told] = [await stateOf(server), await eventsBy(operator)];
        if (path !== '/admin/audit')
          assert.equal((await look(operator, path)).status, may.includes(role) ? 200 : 404, `${role} GET ${path}`);
        const { response, html } = await act(operator, path, fields);
        if (!may.includes(role)) {
          assert.equal(response.status, 404, `${role} ${path}`);
          assert.deepEqual(await stateOf(server), before, `${role} ${path}: nothing was changed`);
          continue;
        }
        assert.equal(response.status, 200, `${role} ${path}: ${html.slice(0, 3_000)}`);
        assert.doesNotMatch(html, /role="alert"/, path);
        const events = await eventsBy(operator);
        // To delete a client is to suspend it first, which is told too.
        assert.equal(events.length, told.length + (type === 'client_deleted' ? 2 : 1), `${path} is told`);
        const event = events.at(-1);
        assert.equal(event?.['type'], type, path);
        assert.equal(event?.['address'], '127.0.0.0/24');
        assert.ok(event?.['request_id']);
      }
    });
  }

  it('the buttons that are shown are those that may be used', async () => {
    const { person, client } = await createSubjects(server);
    for (const role of SEES) {
      const operator = await signInAs(server, role);
      for (const path of [
        `/admin/people/${person.id}`,
        `/admin/clients/${client.client_id}`,
        '/admin/keys',
        '/admin/registration',
        '/admin/apis',
      ]) {
        const { html } = await look(operator, path);
        const buttons = [...html.matchAll(/<a class="button (?:wide|removes)[^"]*" href="([^"]+)"/g)].map(([, href]) => href as string);
        assert.equal(
          buttons.length > 0,
          role === 'admin' || (role === 'support' && !/keys|registration|apis/.test(path)),
          `${role} ${path}`,
        );
        for (const href of buttons) assert.equal((await look(operator, href)).status, 200, `${role} ${href}`);
      }
    }
  });

  it('a stranger is asked to sign in, at any address of it, and learns nothing of what there is', async () => {
    for (const path of ['/admin', '/admin/people', '/admin/keys/rotate']) {
      const response = await visitor(server).request(path);
      assert.equal(response.status, 303);
      assert.match(String(response.headers.get('location')), /^\/oauth\/authorize\?/);
    }
  });

  it('the way in is on the account page of those who may', async () => {
    for (const role of ROLES) {
      const { html } = await look(await signInAs(server, role), '/account');
      assert.equal(html.includes('href="/admin"'), role !== 'user', role);
    }
  });

  it('an act takes a sign-in of the last minutes, a look does not; what was on its way is not done', async () => {
    const [operator, { person }] = [await signInAs(server, 'admin'), await createSubjects(server)];
    await ageSignIns(server, 20 * 60);
    assert.equal((await look(operator, '/admin/people')).status, 200);
    const before = await stateOf(server);
    const page = await act(operator, `/admin/people/${person.id}/disable`);
    assert.match(page.url.pathname, /^\/interaction\//);
    assert.deepEqual(await stateOf(server), before);
  });

  it('a form without its token changes nothing', async () => {
    const [operator, { person }] = [await signInAs(server, 'admin'), await createSubjects(server)];
    const before = await stateOf(server);
    const page = await act(operator, `/admin/people/${person.id}/disable`, { csrf: 'guessed' });
    assert.equal(page.response.status, 403);
    assert.deepEqual(await stateOf(server), before);
  });
});
