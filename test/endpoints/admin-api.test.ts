import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { call, createMachine, machineToken, personToken, problemOf } from '../support/admin-api.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { clientCredentials, createResourceServerClient, introspect, obtainTokens, type TestClient } from '../support/flow.ts';

describe('The admin API', () => {
  let server: TestServer;
  let machine: TestClient;
  let token: string;
  before(async () => {
    server = await startTestServer();
    machine = await createMachine(server);
    token = await machineToken(server, machine);
  });
  after(() => server.close());

  const eventsAbout = (column: 'account_id' | 'client_id', id: string) =>
    server.sql(`select type, actor_id, detail, address, request_id from audit_event where ${column} = $1 order by at desc, id desc`, [id]);

  it('is found through its metadata and in the challenge to a request without a token (RFC 9728, RFC 6750)', async () => {
    const bare = await call(server, undefined, 'GET /people');
    assert.equal(bare.status, 401);
    const metadata = `${server.issuer}/.well-known/oauth-protected-resource/admin/api`;
    assert.equal(bare.headers.get('www-authenticate'), `Bearer resource_metadata="${metadata}"`);
    const told = (await (await fetch(metadata)).json()) as Record<string, unknown>;
    assert.equal(told['resource'], `${server.issuer}/admin/api`);
    assert.deepEqual(told['authorization_servers'], [server.issuer]);
    assert((told['scopes_supported'] as string[]).includes('admin:clients'));
  });

  it('suspends a client, whose tokens are inactive at the next introspection, and restores it without them', async () => {
    const [app, api] = [await server.createClient(), await createResourceServerClient(server)];
    const held = await obtainTokens(server, app, await server.createPerson());
    const own = await clientCredentials(server, app, 'api');
    assert.equal((await introspect(server, api, held.access_token))['active'], true);

    const said = await call(server, token, `POST /clients/${app.client_id}/suspend`);
    assert.equal(said.status, 200, JSON.stringify(said.body));
    assert.equal(said.body['id'], app.client_id);
    assert(Number(said.body['ended']) >= 3);
    for (const { access_token } of [held, own]) assert.deepEqual(await introspect(server, api, access_token), { active: false });

    const shown = await call(server, token, `GET /clients/${app.client_id}`);
    assert(shown.body['suspended_at']);
    assert.equal((await call(server, token, `POST /clients/${app.client_id}/restore`)).status, 200);
    await clientCredentials(server, app, 'api');
    assert.deepEqual(await introspect(server, api, held.access_token), { active: false });
    const [restored, suspended] = await eventsAbout('client_id', app.client_id);
    assert.equal(restored?.['type'], 'client_restored');
    assert.equal(suspended?.['type'], 'client_suspended');
    assert.deepEqual(suspended?.['detail'], { by: machine.client_id });
    assert.equal(suspended?.['address'], '127.0.0.0/24');
    assert.equal(suspended?.['request_id'], said.headers.get('x-request-id'));
  });

  it('verifies a client, withdraws that, and deletes it with the number of users', async () => {
    const app = await server.createClient();
    await obtainTokens(server, app, await server.createPerson());
    await call(server, token, `POST /clients/${app.client_id}/verify`, { publisher: 'Walk Ltd' });
    assert.equal((await call(server, token, `GET /clients/${app.client_id}`)).body['publisher'], 'Walk Ltd');
    await call(server, token, `POST /clients/${app.client_id}/unverify`);
    assert.equal((await call(server, token, `GET /clients/${app.client_id}`)).body['publisher'], null);
    const deleted = await call(server, token, `DELETE /clients/${app.client_id}`);
    assert.deepEqual(deleted.body, { id: app.client_id, people: 1 });
    assert.equal((await call(server, token, `GET /clients/${app.client_id}`)).status, 404);
    const events = await eventsAbout('client_id', app.client_id);
    assert.deepEqual(
      events.slice(0, 4).map(({ type }) => type),
      ['client_deleted', 'client_suspended', 'client_unverified', 'client_verified'],
    );
  });

  it('requires PKCE of a client, which stays verified, and withdraws that', async () => {
    const app = await server.createClient();
    const path = `/clients/${app.client_id}`;
    const state = async () =>
      (({ require_pkce, publisher }) => ({ require_pkce, publisher }))((await call(server, token, `GET ${path}`)).body);
    await call(server, token, `POST ${path}/verify`, { publisher: 'Walk Ltd' });
    assert.deepEqual((await call(server, token, `POST ${path}/require-pkce`)).body, { id: app.client_id });
    assert.deepEqual(await state(), { require_pkce: true, publisher: 'Walk Ltd' });
    assert.equal((await call(server, token, `POST ${path}/require-pkce`, { required: false })).status, 422);
    assert.equal((await call(server, token, `POST ${path}/waive-pkce`)).status, 200);
    assert.deepEqual(await state(), { require_pkce: false, publisher: 'Walk Ltd' });
    assert.equal((await call(server, token, 'POST /clients/nobody/waive-pkce')).status, 404);
    assert.deepEqual(
      (await eventsAbout('client_id', app.client_id)).slice(0, 2).map(({ detail }) => (detail as { required: boolean }).required),
      [false, true],
    );
  });

  it('signs out a user whom it disables, and lets the user in again', async () => {
    const [app, api, person] = [await server.createClient(), await createResourceServerClient(server), await server.createPerson()];
    const held = await obtainTokens(server, app, person);
    assert.equal((await call(server, token, `POST /people/${person.id}/disable`)).status, 200);
    assert.deepEqual(await introspect(server, api, held.access_token), { active: false });
    assert.equal((await server.sql('select count(*)::int as n from session where account_id = $1', [person.id]))[0]?.['n'], 0);
    assert((await call(server, token, `GET /people/${person.id}`)).body['disabled_at']);
    assert.equal((await call(server, token, `POST /people/${person.id}/enable`)).status, 200);
    assert.equal((await call(server, token, `GET /people/${person.id}`)).body['disabled_at'], null);
  });

  it('ends a grant, a token by its handle, and all access that a user allowed', async () => {
    const [app, api, person] = [await server.createClient(), await createResourceServerClient(server), await server.createPerson()];
    const first = await obtainTokens(server, app, person);
    const { body } = await call(server, token, `GET /tokens?client=${app.client_id}`);
    const handle = body.data?.find(({ kind }) => kind === 'AccessToken')?.['handle'];
    assert.equal((await call(server, token, `DELETE /tokens/${handle}`)).status, 200);
    assert.deepEqual(await introspect(server, api, first.access_token), { active: false });
    assert.equal((await call(server, token, `DELETE /tokens/${handle}`)).status, 404);

    const second = await obtainTokens(server, app, person);
    const grants = (await call(server, token, `GET /grants?account=${person.id}`)).body.data ?? [];
    assert(grants.every(({ scopes }) => (scopes as string[]).includes('openid')));
    for (const { id } of grants) assert.equal((await call(server, token, `DELETE /grants/${id}`)).status, 200);
    assert.deepEqual(await introspect(server, api, second.access_token), { active: false });

    const third = await obtainTokens(server, app, person);
    assert.equal((await call(server, token, `POST /people/${person.id}/end-access`)).status, 200);
    assert.deepEqual(await introspect(server, api, third.access_token), { active: false });
    const fourth = await clientCredentials(server, app, 'api');
    assert.equal((await call(server, token, `POST /clients/${app.client_id}/end-access`)).status, 200);
    assert.deepEqual(await introspect(server, api, fourth.access_token), { active: false });
  });

  it('rotates the signing keys, which are published before they sign', async () => {
    const before = (await call(server, token, 'GET /keys')).body.data ?? [];
    const rotated = await call(server, token, 'POST /keys/rotate');
    const made = rotated.body['keys'] as { kid: string; made: boolean }[];
    assert.deepEqual(
      made.map(({ made }) => made),
      [true, true, true, true],
    );
    const now = (await call(server, token, 'GET /keys')).body.data ?? [];
    assert.equal(now.length, before.length + 4);
    assert.deepEqual(
      now.filter(({ phase }) => phase === 'next').map(({ kid }) => kid),
      made.map(({ kid }) => kid).sort(),
    );
    assert.equal((await server.sql(`select count(*)::int as n from audit_event where type = 'keys_rotated'`))[0]?.['n'], 1);
  });

  it('creates accounts that users claim by mail, and initial access tokens that register clients', async () => {
    const email = `new-${machine.client_id}@people.example`.toLowerCase();
    const made = await call(server, token, 'POST /people', { email, name: '새 사람' }, { 'idempotency-key': 'person-1' });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    const [{ n }] = (await server.sql('select count(*)::int as n from mail where recipient = $1', [email])) as [{ n: number }];
    assert.equal(n, 1);
    const again = await call(server, token, 'POST /people', { email, name: '새 사람' }, { 'idempotency-key': 'person-2' });
    assert.equal(problemOf(again), 'taken');

    const initial = await call(
      server,
      token,
      'POST /initial-access-tokens',
      { name: 'Partners', max_clients: 2 },
      { 'idempotency-key': 'iat-1' },
    );
    assert.equal(initial.status, 201);
    const listed = (await call(server, token, 'GET /initial-access-tokens')).body.data ?? [];
    assert.deepEqual(
      listed.map(({ id, max_clients }) => [id, max_clients]),
      [[initial.body['id'], 2]],
    );
    assert(!JSON.stringify(listed).includes(String(initial.body['token'])));
    assert.equal((await call(server, token, `DELETE /initial-access-tokens/${initial.body['id']}`)).status, 200);
    assert.equal((await call(server, token, `DELETE /initial-access-tokens/${initial.body['id']}`)).status, 404);
  });

  it("allows a user's token what the user's role allows, in the user's name", async () => {
    const support = await personToken(server, 'support');
    const person = await server.createPerson();
    assert.equal((await call(server, support.token, `POST /people/${person.id}/end-sessions`)).status, 200);
    const [told] = await eventsAbout('account_id', person.id);
    assert.equal(told?.['type'], 'signed_out_everywhere');
    assert.equal(told?.['actor_id'], support.person.id);
    assert.deepEqual(told?.['detail'], { by: support.client.client_id });
    const refused = await call(server, support.token, `POST /clients/${support.client.client_id}/suspend`);
    assert.equal(refused.status, 403);
    assert.match(refused.headers.get('www-authenticate') ?? '', /error="insufficient_scope".*scope="admin:clients"/);
    assert.equal((await call(server, token, `GET /clients/${support.client.client_id}`)).body['suspended_at'], null);
  });

  it('shows the audit log by request, in pages', async () => {
    const app = await server.createClient();
    const said = await call(server, token, `POST /clients/${app.client_id}/suspend`);
    const request = said.headers.get('x-request-id');
    const { body } = await call(server, token, `GET /audit-events?request=${request}`);
    assert.deepEqual(
      body.data?.map(({ type, client_id }) => [type, client_id]),
      [['client_suspended', app.client_id]],
    );
    const seen: unknown[] = [];
    let cursor = '';
    do {
      const page = await call(server, token, `GET /audit-events?limit=2${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
      seen.push(...(page.body.data ?? []).map(({ id }) => id));
      cursor = String(page.body['next_cursor'] ?? '');
      if (cursor) assert.match(page.headers.get('link') ?? '', /^<\/admin\/api\/v1\/audit-events\?limit=2&cursor=[^>]+>; rel="next"$/);
    } while (cursor);
    const stored = await server.sql('select id from audit_event order by at desc, id desc');
    assert.deepEqual(
      seen,
      stored.map(({ id }) => id),
    );
    const typed = await call(server, token, 'GET /audit-events?type=client_suspended&limit=100');
    assert(typed.body.data?.length);
    assert(typed.body.data?.every(({ type }) => type === 'client_suspended'));
  });
});
