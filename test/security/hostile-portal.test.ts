import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { verifyClient } from '../../src/oauth/clients/store.ts';
import { disableAccount } from '../../src/people/administration.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { waitingForLocks } from '../support/lock.ts';
import { API, comeToPortal, type Developer, fill, own, registerApi } from '../support/owned-apis.ts';
import { makeClient } from '../support/portal.ts';
import { waitUntil } from '../support/processes.ts';

const EDITED = { client_name: 'Edited', redirect_uris: 'https://walk.example/callback', scope: 'openid' };

describe('Hostile developers', () => {
  let server: TestServer;
  let owner: Developer;
  let client: string;
  before(async () => {
    server = await startTestServer();
    owner = await comeToPortal(server);
    client = (await makeClient(server, owner.credentials, {}, owner.browser)).client_id;
  });
  after(() => server.close());

  const everything = () =>
    server.sql(`
      select (select jsonb_agg(to_jsonb(c) - 'seen_at' order by id) from client c) as clients, (select jsonb_agg(to_jsonb(o)) from client_owner o) as owners,
        (select jsonb_agg(encode(digest, 'hex') || coalesce(expires_at::text, '') order by digest) from client_secret) as secrets,
        (select jsonb_agg(to_jsonb(i)) from client_invitation i) as invitations,
        (select count(*) from audit_event where type like 'client%') as events`);

  const POSTS: [page: string, fields: Record<string, string>][] = [
    ['', EDITED],
    ['/secrets', { action: 'make', overlap: '0' }],
    ['/secrets', { action: 'end', secret: '0'.repeat(16) }],
    ['/secrets', { action: 'file', sealed: 'x' }],
    ['/owners', { email: 'thief@example.com' }],
    ['/owners', { leave: 'yes', certain: 'yes' }],
    ['/manifest', { text: '{"munjigi_manifest":1}', apply: 'yes' }],
    ['/try', { act: 'add' }],
    ['/try', { act: 'remove' }],
    ['/try', { act: 'redeem', sealed: 'x' }],
    ['/delete', { name: 'Walking Club' }],
  ];
  const PAGES = ['', '/secrets', '/owners', '/manifest', '/manifest/file', '/try', '/delete', '/errors', '/snippets', '/use', '/preview'];

  it("find nothing at another owner's client on any page or form, nor at an invalid id", async () => {
    const thief = await comeToPortal(server);
    const before = await everything();
    for (const id of [
      client,
      'munjigi-web',
      'no-such',
      '%00',
      '%ff',
      '%ED%A0%80',
      '__proto__',
      'x'.repeat(3_000),
      `${client}%00`,
      `${client.toUpperCase()}`,
    ])
      for (const [page, fields] of [...PAGES.map((page) => [page, undefined] as const), ...POSTS]) {
        const path = `/developer/clients/${id}${page}`;
        const { status } = (await (fields ? fill(thief, path, fields) : thief.browser.open(path))).response;
        assert([400, 404].includes(status), `${path.slice(0, 80)}: ${status}`);
      }
    assert.deepEqual(await everything(), before);
  });

  it('can do nothing in an open session after an operator disabled them', async () => {
    const shut = await comeToPortal(server);
    await own(server, client, shut.id);
    await server.database.change(disableAccount(shut.id));
    const before = await everything();
    for (const [page, fields] of POSTS) {
      const answer = await shut.browser.open(`/developer/clients/${client}${page}`, {
        method: 'POST',
        body: new URLSearchParams({ csrf: shut.csrf, ...fields }),
        headers: { 'sec-fetch-site': 'same-origin' },
      });
      assert.match(answer.url.pathname, /^\/interaction\//, page);
    }
    assert.deepEqual(await everything(), before);
    await server.sql('delete from client_owner where account_id = $1', [shut.id]);
  });

  it('cannot restore a client by a form that was in progress when it was deleted', async () => {
    const made = await makeClient(server, owner.credentials, { client_name: 'Shooting Star' }, owner.browser);
    const operator = new pg.Client({ connectionString: server.config.databaseUrl });
    await operator.connect();
    await operator.query('begin');
    await operator.query('delete from client where id = $1', [made.client_id]);
    const edited = fill(owner, `/developer/clients/${made.client_id}`, EDITED);
    await waitUntil(async () => (await waitingForLocks(server)).length > 0);
    await operator.query('commit');
    await operator.end();
    assert.equal((await edited).response.status, 404);
    assert.deepEqual(await server.sql('select id from client where id = $1', [made.client_id]), []);
    assert.deepEqual(await server.sql(`select 1 from audit_event where type = 'client_changed' and client_id = $1`, [made.client_id]), []);
  });

  it('cannot set what only operators may set, in a manifest or a form', async () => {
    const ours = { publisher: 'Bank', introspects: server.issuer, services: ['x'], origins: ['https://x.example'], owners: [owner.id] };
    const more = {
      admin_scopes: ['admin:read'],
      registration_limits: {},
      dynamically_registered: false,
      client_id: 'munjigi-web',
      client_secret: 'x',
    };
    const known = JSON.stringify({ munjigi_manifest: 1, client_name: 'Mine', redirect_uris: ['https://a.example/cb'] }).slice(0, -1);
    const before = await everything();
    for (const [member, value] of Object.entries({ ...ours, ...more, ['__proto__']: undefined }))
      for (const path of ['/developer/import', `/developer/clients/${client}/manifest`]) {
        const text = `${known},${JSON.stringify(member)}:${JSON.stringify(value ?? { publisher: 'Bank' })}}`;
        assert.equal((await fill(owner, path, { text, apply: 'yes' })).response.status, 422, member);
      }
    assert.deepEqual(await everything(), before);
    for (const member of ['publisher#ko', 'admin_scopes#en', 'Publisher', 'client_secret ', 'x'])
      await fill(owner, '/developer/import', { text: `${known},${JSON.stringify(member)}:"Bank"}`, apply: 'yes' });
    const form = Object.fromEntries(Object.keys({ ...ours, ...more }).map((member) => [member, 'admin:read']));
    await fill(owner, `/developer/clients/${client}`, { ...form, ...EDITED });
    const rows = await server.sql(
      `
      select metadata, publisher, introspects, services, origins, admin_scopes, registration::text from client c
      join client_owner o on o.client_id = c.id where o.account_id = $1`,
      [owner.id],
    );
    assert(rows.length >= 6);
    for (const { metadata, registration, ...kept } of rows) {
      assert.deepEqual(kept, { publisher: null, introspects: null, services: [], origins: [], admin_scopes: [] });
      assert.equal(registration, 'dynamic');
      assert.doesNotMatch(JSON.stringify(metadata), /Bank|admin:read|munjigi-web/);
    }
  });

  it('cannot name an API like this server, and cannot break one by the name of a verified client', async () => {
    for (const name of ['Munjigi', 'MUNJIGI', 'Мunjigi', 'Munjigi Accounts', '문지기'])
      assert.equal((await fill(owner, '/developer/apis/new', { ...API, name })).response.status, 422, name);
    assert.deepEqual(await server.sql('select 1 from resource_server where identifier = $1', [API.identifier]), []);
    const verified = await makeClient(server, owner.credentials, { client_name: 'Moonbell' }, owner.browser);
    await server.database.change(verifyClient(verified.client_id, 'Bell & Sons'));
    await eventually('its name is taken', async () => (await fill(owner, '/developer/clients/new', NAMED)).response.status === 422);
    const path = await registerApi(owner, { name: 'Moonbell' });
    const made = await fill(owner, `${path}/introspection`, { make: 'yes' });
    assert.equal(made.response.status, 200, made.html.slice(0, 2_000));
    const [introspector] = await server.sql(`select metadata->>'client_name' as name from client where introspects = $1`, [API.identifier]);
    assert.deepEqual(introspector, { name: null });
  });

  it('cannot inject a command into the shell of a user who loads the file of a secret', async () => {
    const [name, ran] = [`it's $(touch ran)\`touch ran\``, join(mkdtempSync(join(tmpdir(), 'secret-')), 'client.env')];
    const { client_id } = await server.createClient({ client_id: name });
    await own(server, client_id, owner.id);
    const path = `/developer/clients/${encodeURIComponent(client_id)}/secrets`;
    const made = await fill(owner, path, { action: 'make', overlap: '0' });
    const sealed = /name="sealed" value="([^"]+)"/.exec(made.html)?.[1] ?? '';
    const file = await fill(owner, path, { action: 'file', sealed });
    assert.match(String(file.response.headers.get('content-disposition')), /client\.env/);
    writeFileSync(ran, file.html);
    const read = execFileSync('sh', ['-c', '. ./client.env; printf %s "$OAUTH_CLIENT_ID"'], { cwd: dirname(ran), encoding: 'utf8' });
    assert.deepEqual([read, readdirSync(dirname(ran))], [name, ['client.env']]);
    rmSync(dirname(ran), { recursive: true });
  });

  it('leave an audit event of an invitation that they withdraw', async () => {
    await fill(owner, `/developer/clients/${client}/owners`, { email: 'friend@example.com' });
    const [{ id } = {}] = await server.sql('select id from client_invitation where client_id = $1', [client]);
    const told = async () =>
      (await server.sql(`select detail from audit_event where client_id = $1 and detail->'changes' ? 'invitation_withdrawn'`, [client]))
        .length;
    for (const times of [1, 2]) {
      await fill(owner, `/developer/clients/${client}/owners`, { withdraw: String(id) });
      assert.equal(await told(), 1, `${times}`);
    }
    assert.deepEqual(await server.sql('select 1 from client_invitation where client_id = $1', [client]), []);
  });
});

const NAMED = { place: 'server', person: 'yes', scope: 'openid', client_name: 'Moonbe11', redirect_uris: 'https://x.example/cb' };
