import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { keepCountsWritten } from '../../src/audit/counts.ts';
import { signInIfAsked } from '../support/account.ts';
import { act, createSubjects, look, signInAs, stateOf, visitor } from '../support/admin.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { clientCredentials, createResourceServerClient, introspect, obtainTokens } from '../support/flow.ts';

const HOSTILE = '<script>alert(1)</script>"\'\u202e&';

describe('Administration', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  it('a client that is suspended there: its tokens are inactive at the next introspection, and it is unknown', async () => {
    const [admin, { client, tokens }, api] = [
      await signInAs(server, 'admin'),
      await createSubjects(server),
      await createResourceServerClient(server),
    ];
    const own = await clientCredentials(server, client, 'api');
    for (const token of [tokens.access_token, own.access_token]) assert.equal((await introspect(server, api, token))['active'], true);
    const path = `/admin/clients/${client.client_id}`;
    const { html } = await look(admin, `${path}/suspend`);
    assert.match(html, /1 user loses the access that they allowed\./);
    assert.match(html, /3 valid tokens are revoked at once\./);
    assert.match(html, /JWT access tokens can(?:'|&#39;)t be revoked/);
    const page = await act(admin, `${path}/suspend`);
    assert.equal(page.url.pathname, path);
    assert.match(page.html, /Suspended/);
    for (const token of [tokens.access_token, own.access_token]) assert.deepEqual(await introspect(server, api, token), { active: false });
    await assert.rejects(clientCredentials(server, client, 'api'));
  });

  it('nobody acts on themselves, and the last admin stays one', async () => {
    await server.sql("update user_account set role = 'user'");
    const [admin, support] = [await signInAs(server, 'admin'), await signInAs(server, 'support')];
    const before = await stateOf(server);
    for (const [path, fields] of [
      [`/admin/people/${admin.id}/role`, { role: 'user' }],
      [`/admin/people/${admin.id}/disable`, {}],
      [`/admin/people/${admin.id}/end-sessions`, {}],
    ] as const) {
      const page = await act(admin, path, fields);
      assert.equal(page.response.status, 422, path);
      assert.match(page.html, /You cannot do this to your own account/);
    }
    for (const path of [`/admin/people/${admin.id}/disable`, `/admin/people/${admin.id}/remove-factors`]) {
      const page = await act(support, path);
      assert.equal(page.response.status, 422, path);
      assert.match(page.html, /This user has more rights than you/);
    }
    const refused = await act(admin, `/admin/people/${support.id}/role`, { role: 'emperor' });
    assert.equal(refused.response.status, 422);
    assert.deepEqual(await stateOf(server), before);
    assert.doesNotMatch((await look(admin, `/admin/people/${admin.id}`)).html, /\/disable"/);
  });

  it("this server's own clients and APIs stay as they are", async () => {
    const admin = await signInAs(server, 'admin');
    const before = await stateOf(server);
    const [own] = await server.sql('select id from resource_server where identifier = $1', [server.issuer]);
    const [client] = await server.sql("select id from client where metadata->>'client_name' = 'Munjigi API'");
    for (const [path, fields] of [
      [`/admin/clients/${client?.['id']}/suspend`, {}],
      [`/admin/clients/${client?.['id']}/delete`, { typed: String(client?.['id']) }],
      [`/admin/apis/${own?.['id']}/delete`, { typed: server.issuer }],
    ] as [string, Record<string, string>][])
      assert.equal((await act(admin, path, fields)).response.status, 422, path);
    assert.deepEqual(await stateOf(server), before);
  });

  it('what must be typed is typed, to the letter', async () => {
    const [admin, { client, api }] = [await signInAs(server, 'admin'), await createSubjects(server)];
    const before = await stateOf(server);
    for (const path of [`/admin/clients/${client.client_id}/delete`, `/admin/apis/${api}/delete`, '/admin/keys/replace'])
      for (const typed of ['', client.client_id.toUpperCase(), 'yes']) {
        const page = await act(admin, path, { typed });
        assert.equal(page.response.status, 422, path);
        assert.match(page.html, /role="alert"[^>]*>The text does not match/);
      }
    assert.deepEqual(await stateOf(server), before);
  });

  it('forged ids, cursors and filters are answered 404 or 400, and never 500', async () => {
    const admin = await signInAs(server, 'admin');
    const logged = server.logLines().length;
    for (const id of ['nothing', '%00', '%ED%A0%80', '..%2F..', "'%20or%201=1", '%F0%9F%98%80', 'a'.repeat(3_000)])
      for (const path of [
        `/admin/people/${id}`,
        `/admin/people/${id}/disable`,
        `/admin/clients/${id}`,
        `/admin/clients/${id}/suspend`,
        `/admin/access/${id}/end`,
        `/admin/tokens/${id}/end`,
        `/admin/apis/${id}/delete`,
        `/admin/registration/${id}/end`,
      ]) {
        const { status } = await look(admin, path);
        assert.ok(status === 404 || status === 400, `${path}: ${status}`);
      }
    for (const query of [
      'cursor=forged',
      'cursor=',
      'search=%00',
      'role=emperor',
      'search=a&search=b',
      'disabled=perhaps',
      'from=soon',
      'type=%27',
      'client=%00',
      'person=%00',
      'person=nobody@people.example',
    ])
      for (const path of [
        '/admin/people',
        '/admin/clients',
        '/admin/access',
        '/admin/tokens',
        '/admin/apis',
        '/admin/keys',
        '/admin/registration',
        '/admin/audit',
      ]) {
        const { status } = await look(admin, `${path}?${query}`);
        assert.ok(status === 200 || status === 400, `${path}?${query}: ${status}`);
        if (query === 'cursor=forged') assert.equal(status, 400, path);
      }
    assert.deepEqual(
      server
        .logLines()
        .slice(logged)
        .filter((line) => line.includes('unexpected_error')),
      [],
    );
  });

  it('names of strangers are text on every page', async () => {
    const [admin, of] = [await signInAs(server, 'admin'), await createSubjects(server)];
    await server.sql(
      "update client set metadata = metadata || jsonb_build_object('client_name', $2::text, 'client_uri', 'javascript:alert(1)'), publisher = $2, origins = array[$2] where id = $1",
      [of.client.client_id, HOSTILE],
    );
    await server.sql('update user_account set name = $2, username = $2 where id = $1', [of.person.id, HOSTILE]);
    await server.sql('update resource_server set name = $2 where id = $1', [of.api, HOSTILE]);
    await server.sql("insert into scope (name, resource_server_id, title_ko, title_en) values ('s', $1, $2, $2)", [of.identifier, HOSTILE]);
    await server.sql('update initial_access_token set name = $2 where id = $1', [of.initial, HOSTILE]);
    await server.sql('update session set browser = $2 where account_id = $1', [of.person.id, HOSTILE]);
    await server.sql(
      "insert into audit_event (id, type, account_id, client_id, detail) values (uuidv7()::text, 'client_verified', $1, $2, jsonb_build_object('publisher', $3::text))",
      [of.person.id, of.client.client_id, HOSTILE],
    );
    const [person, client] = [`/admin/people/${of.person.id}`, `/admin/clients/${of.client.client_id}`];
    for (const path of [
      '/admin',
      '/admin/people',
      `/admin/people?search=${encodeURIComponent(HOSTILE)}`,
      person,
      `${person}/disable`,
      '/admin/clients',
      client,
      `${client}/verify`,
      `${client}/suspend`,
      `${client}/services`,
      '/admin/access',
      `/admin/access/${of.grant}/end`,
      '/admin/tokens',
      '/admin/apis',
      '/admin/registration',
      `/admin/registration/${of.initial}/end`,
      '/admin/audit',
    ]) {
      const { status, html } = await look(admin, path);
      assert.equal(status, 200, path);
      assert.doesNotMatch(html, /<script|href="javascript:/i, path);
    }
    assert.match((await look(admin, client)).html, /javascript:alert\(1\)/, 'what it says is there to be judged');
    assert.match((await look(admin, client)).html, /\\u\{202e\}/);
  });

  it('a page of people goes on where the one before ended, and finds by a part of a name', async () => {
    const admin = await signInAs(server, 'admin');
    for (let n = 0; n < 55; n++) await server.createPerson({ name: 'Many', email: `many${String(n).padStart(2, '0')}@people.example` });
    const emails = (html: string) => [...html.matchAll(/many\d\d@people\.example/g)].map(([email]) => email);
    const first = await look(admin, '/admin/people?search=MANY');
    const next = /href="(\/admin\/people\?[^"]*cursor=[^"]+)"/.exec(first.html)?.[1]?.replaceAll('&amp;', '&');
    assert.ok(next);
    const second = await look(admin, next);
    assert.equal(new Set([...emails(first.html), ...emails(second.html)]).size, 55);
    const other = await signInAs(server, 'admin');
    assert.equal((await look(other, next)).status, 400, 'a cursor is for who it was given to');
  });

  it('a token is found by its handle, and no other by another', async () => {
    const [auditor, { handle }] = [await signInAs(server, 'auditor'), await createSubjects(server)];
    const shown = async (wanted: string) => [
      ...(await look(auditor, `/admin/tokens?handle=${wanted}`)).html.matchAll(/<h2 id="token-\d+"><code>([0-9a-f]{16})<\/code>/g),
    ];
    assert.deepEqual(
      (await shown(handle)).map(([, found]) => found),
      [handle],
    );
    assert.deepEqual(await shown('0000000000000000'), []);
    assert.equal((await look(auditor, `/admin/tokens?handle=${handle.slice(1)}`)).status, 400);
  });

  it('an initial access token is shown once', async () => {
    const admin = await signInAs(server, 'admin');
    const page = await act(admin, '/admin/registration/new', { name: 'CI', clients: '3', hours: '1', scopes: 'openid' });
    const token = /<code>([\w-]{43})<\/code>/.exec(page.html)?.[1];
    assert.ok(token);
    assert.equal(page.response.headers.get('cache-control'), 'no-store');
    const { html } = await look(admin, '/admin/registration');
    assert.match(html, /0 of 3/);
    assert.doesNotMatch(html, new RegExp(token));
    const before = await stateOf(server);
    for (const wrong of [{ clients: 'many' }, { hours: '-1' }, { scopes: 'unheard-of' }, { name: ' ' }] as Record<string, string>[])
      assert.equal((await act(admin, '/admin/registration/new', { name: 'CI', clients: '3', hours: '1', ...wrong })).response.status, 422);
    assert.deepEqual(await stateOf(server), before);
  });

  it('what happens is counted, written behind, and drawn with a table of the same numbers', async () => {
    server.counts.take();
    await server.sql('truncate hourly_count');
    const [admin, client, api] = [await signInAs(server, 'admin'), await server.createClient(), await createResourceServerClient(server)];
    const wrong = { ...(await server.createPerson()), password: 'not this one' };
    assert.equal((await signInIfAsked(await visitor(server).open('/account'), wrong)).response.status, 401);
    const { access_token } = await obtainTokens(server, client, await server.createPerson());
    for (let n = 0; n < 4; n++) await clientCredentials(server, client, 'api');
    for (const token of [access_token, 'unknown', 'unknown']) await introspect(server, api, token);
    await assert.rejects(clientCredentials(server, { ...client, client_secret: 'wrong' }, 'api'));
    await keepCountsWritten({ counts: server.counts, database: server.database, log: { warn: assert.fail } as never }).stop();
    const counted = Object.fromEntries(
      (await server.sql('select name, label, sum(count)::int as count from hourly_count group by 1, 2')).map(({ name, label, count }) => [
        `${name} ${label}`,
        count,
      ]),
    );
    assert.deepEqual(counted, {
      'sign_in password': 2,
      'sign_in_failed password': 1,
      'token authorization_code': 1,
      'token client_credentials': 4,
      'authorization success': counted['authorization success'],
      'introspection active': 1,
      'introspection inactive': 2,
      'error invalid_client': 1,
    });
    for (const path of ['/admin', '/admin?span=days']) {
      const { html } = await look(admin, path);
      assert.equal(html.match(/<svg class="chart"[^>]*role="img" aria-label="[^"]+">/g)?.length, 5, path);
      assert.match(html, /client_credentials<\/bdi> <strong>4<\/strong>/);
      assert.match(html, /<td class="number">4<\/td>/);
      assert.equal(html.match(/<th scope="row">/g)?.length, 5 * (path === '/admin' ? 24 : 30));
      assert.doesNotMatch(html, / style=/);
    }
  });
});
