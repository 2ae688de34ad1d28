import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { eventsOf } from '../support/account.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { API, comeToPortal, type Developer, fill, makeIntrospector, own, registerApi, SCOPE } from '../support/owned-apis.ts';

describe('The APIs of a developer', () => {
  let server: TestServer;
  let developer: Developer;

  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  const begin = async () => {
    developer = await comeToPortal(server);
    await server.sql('delete from resource_server where owner_id is not null');
  };
  const apis = () => server.sql('select * from resource_server where owner_id is not null order by identifier');
  const scopes = (name = '%') =>
    server.sql(`select * from scope where resource_server_id = $1 and name like $2 order by position`, [API.identifier, name]);

  it('registers an API, lists it to its owner alone, and writes down who did so', async () => {
    await begin();
    const path = await registerApi(developer);
    const [row] = await apis();
    assert.deepEqual(
      [row?.['identifier'], row?.['name'], row?.['token_format'], row?.['access_token_ttl_seconds'], row?.['owner_id']],
      [API.identifier, 'Books', 'opaque', 600, developer.id],
    );
    assert.match((await developer.browser.open('/developer/apis')).html, new RegExp(`href="${path}"`));
    const other = await comeToPortal(server);
    assert.doesNotMatch((await other.browser.open('/developer/apis')).html, /books\.example/);
    assert.deepEqual(await eventsOf(server, developer.id), ['resource_server_made']);
  });

  it('needs a text in one language: the other falls back, for scopes and for the name of the API', async () => {
    await begin();
    const path = await registerApi(developer);
    await fill(developer, path, { name: 'Books', name_ko: '책장', format: 'opaque', lifetime: '600' });
    await fill(developer, `${path}/scopes`, { ...SCOPE, title_ko: '' });
    const [scope] = await scopes();
    assert.deepEqual([scope?.['title_ko'], scope?.['title_en']], [SCOPE.title_en, SCOPE.title_en]);
    assert.deepEqual([(await apis())[0]?.['name_ko'], (await apis())[0]?.['name_en']], ['책장', null]);
    const client = await server.createClient({ scope: 'openid books:read' });
    await own(server, client.client_id, developer.id);
    const shown = async (language: string) =>
      (await developer.browser.open(`/developer/clients/${client.client_id}/preview?lang=${language}`)).html;
    for (const [language, name] of [
      ['ko', '책장'],
      ['en', 'Books'],
    ] as const) {
      const html = await shown(language);
      assert.match(html, new RegExp(`<bdi[^>]*>${name}`), language);
      assert.match(html, new RegExp(SCOPE.title_en));
    }
    await fill(developer, `${path}/scopes`, { ...SCOPE, act: 'change', title_ko: '책 읽기', title_en: '', position: '1' });
    assert.equal((await scopes())[0]?.['title_en'], '책 읽기');
  });

  it('changes what it is called and which tokens it takes; its identifier stays', async () => {
    await begin();
    const path = await registerApi(developer);
    const made = (await developer.browser.open(path)).html;
    for (const [name, value] of [
      ['algorithm', 'ES256'],
      ['type', 'at\\+jwt'],
    ])
      assert.match(made, new RegExp(`<select id="${name}"[\\s\\S]*?<option value="${value}" selected>`));
    const choices = { format: 'jwt', algorithm: 'PS256', type: 'JWT', lifetime: '60' };
    const page = await fill(developer, path, { name: 'Library', ...choices, identifier: 'https://else.example' });
    assert.equal(page.url.search, '?done');
    const [row] = await apis();
    assert.deepEqual(
      ['identifier', 'name', 'token_format', 'jwt_algorithm', 'jwt_type', 'access_token_ttl_seconds'].map((column) => row?.[column]),
      [API.identifier, 'Library', 'jwt', 'PS256', 'JWT', 60],
    );
    assert.deepEqual(await eventsOf(server, developer.id), ['resource_server_changed', 'resource_server_made']);
    await fill(developer, path, { name: 'Library', ...choices, algorithm: '', type: '' });
    assert.equal((await apis())[0]?.['jwt_algorithm'], 'PS256', 'what the form does not say stays');
    assert.equal((await eventsOf(server, developer.id)).length, 2, 'what changes nothing is no change');
  });

  for (const [what, fields] of [
    ['without a name', { name: '' }],
    ['with a name that reorders the page', { name: 'Books \u202egnp' }],
    ['with a name too long', { name: 'x'.repeat(101) }],
    ['with a kind of token that there is not', { format: 'paper' }],
    ['with an algorithm that this server does not sign with', { algorithm: 'HS256' }],
    ['with a type of JWT that there is not', { type: 'none' }],
    ['with tokens of no time', { lifetime: '59' }],
    ['with tokens that outlast a day', { lifetime: '86401' }],
    ['with a lifetime in words', { lifetime: '1e3' }],
  ] as const)
    it(`refuses one ${what}, new or changed, and says so beside the field`, async () => {
      await begin();
      const refused = await fill(developer, '/developer/apis/new', { ...API, ...fields });
      assert.equal(refused.response.status, 422);
      assert.match(refused.html, /id="problem" role="alert"/);
      assert.match(refused.html, /value="https:\/\/books\.example\/v1"/, 'what was typed is not lost');
      assert.deepEqual(await apis(), []);
      const path = await registerApi(developer);
      const before = await apis();
      assert.equal((await fill(developer, path, { ...API, ...fields })).response.status, 422);
      assert.deepEqual(await apis(), before);
    });

  it('adds, orders, changes and deletes scopes', async () => {
    await begin();
    const path = `${await registerApi(developer)}/scopes`;
    await fill(developer, path, SCOPE);
    await fill(developer, path, {
      ...SCOPE,
      name: 'books:write',
      choice: 'always',
      default: 'yes',
      sensitive: 'yes',
      title_en: 'Put books on it',
    });
    const added = await scopes();
    assert.deepEqual(
      added.map(({ name, may_be_required, is_default, sensitive, title_en, position }) => [
        name,
        may_be_required,
        is_default,
        sensitive,
        title_en,
        position,
      ]),
      [
        ['books:read', true, null, false, SCOPE.title_en, 1],
        ['books:write', false, true, true, 'Put books on it', 2],
      ],
    );
    await fill(developer, path, { ...SCOPE, act: 'change', title_en: 'Read it', sensitive: 'yes', position: '9' });
    const [, changed] = await scopes();
    assert.deepEqual(
      [changed?.['name'], changed?.['title_en'], changed?.['sensitive'], changed?.['position']],
      ['books:read', 'Read it', true, 9],
    );
    await fill(developer, path, { act: 'delete', name: 'books:write' });
    assert.deepEqual(
      (await scopes()).map(({ name }) => name),
      ['books:read'],
    );
    assert.equal((await fill(developer, path, { act: 'delete', name: 'books:write' })).response.status, 422);
    assert.equal((await eventsOf(server, developer.id)).length, 5);
  });

  for (const [what, fields] of [
    ['without a sentence in any language', { title_ko: '', title_en: ' ' }],
    ['with a sentence that reorders the page', { title_en: 'See \u202eall' }],
    ['with a sentence of two lines', { title_ko: '하나\n둘' }],
    ['with a sentence too long', { title_en: 'x'.repeat(121) }],
    ['without a name', { name: '' }],
    ['with a space in its name', { name: 'books read' }],
    ['with a quote in its name', { name: 'books"read' }],
    ['with letters that look like others', { name: 'bооks:read' }],
    ['with a name too long', { name: 'x'.repeat(65) }],
    ["of the server's own", { name: 'openid' }],
    ["of the server's own API", { name: 'restricted' }],
    ['of the admin API', { name: 'admin:books' }],
  ] as const)
    it(`adds no scope ${what}`, async () => {
      await begin();
      const path = `${await registerApi(developer)}/scopes`;
      const page = await fill(developer, path, { ...SCOPE, ...fields });
      assert.equal(page.response.status, 422);
      assert.match(page.html, /id="problem" role="alert"/);
      assert.deepEqual(await scopes(), []);
    });

  it('adds none that reads like the service of a provider, be it a disabled one, and no two of one name', async () => {
    await begin();
    await server.sql(`insert into upstream_provider (id, name, settings, disabled_at) values ('islands', 'Islands', '{}', now())`);
    const path = `${await registerApi(developer)}/scopes`;
    assert.equal((await fill(developer, path, { ...SCOPE, name: 'islands:files' })).response.status, 422);
    await fill(developer, path, SCOPE);
    assert.equal((await fill(developer, path, { ...SCOPE, title_en: 'Another' })).response.status, 422);
    assert.deepEqual(
      (await scopes()).map(({ title_en }) => title_en),
      [SCOPE.title_en],
    );
    await server.sql(`delete from upstream_provider where id = 'islands'`);
  });

  it('has twenty APIs a person and fifty scopes an API at most, however many are asked for at once', async () => {
    await begin();
    const path = await registerApi(developer);
    await server.sql(
      `insert into resource_server (identifier, name, owner_id) select 'https://many.example/' || n, 'Many', $1 from generate_series(1, 17) n`,
      [developer.id],
    );
    await Promise.all(
      [1, 2, 3, 4, 5].map((n) => fill(developer, '/developer/apis/new', { ...API, identifier: `https://more.example/${n}` })),
    );
    assert.equal((await apis()).length, 20);
    await server.sql(
      `insert into scope (resource_server_id, name, title_ko, title_en) select $1, 's' || n, '가', 'a' from generate_series(1, 48) n`,
      [API.identifier],
    );
    await Promise.all([1, 2, 3, 4, 5].map((n) => fill(developer, `${path}/scopes`, { ...SCOPE, name: `more${n}` })));
    assert.equal((await scopes()).length, 50);
  });

  it('makes a client that introspects, shows its secret once, and replaces who did so before', async () => {
    await begin();
    const path = await registerApi(developer);
    const first = await makeIntrospector(developer, path);
    const speakers = () => server.sql('select id from client where introspects = $1', [API.identifier]);
    assert.deepEqual(await speakers(), [{ id: first.client_id }]);
    assert.doesNotMatch((await developer.browser.open(`${path}/introspection`)).html, new RegExp(first.client_secret));
    const [client] = await server.sql('select registration::text, metadata from client where id = $1', [first.client_id]);
    assert.equal(client?.['registration'], 'dynamic', 'nobody vouches for it');
    assert.deepEqual((client?.['metadata'] as Record<string, unknown> | undefined)?.['grant_types'], []);
    const second = await makeIntrospector(developer, path);
    assert.deepEqual(await speakers(), [{ id: second.client_id }]);
    await fill(developer, `${path}/introspection`, { client: first.client_id });
    assert.deepEqual(await speakers(), [{ id: first.client_id }]);
    await fill(developer, `${path}/introspection`, { client: '' });
    assert.deepEqual(await speakers(), []);
  });

  it('lets no client introspect that is not theirs, proves nothing, or speaks for another API', async () => {
    await begin();
    const path = await registerApi(developer);
    const chosen = await makeIntrospector(developer, path);
    const [strangers, open, busy] = await Promise.all([
      server.createClient(),
      server.createClient({ token_endpoint_auth_method: 'none' }),
      server.createClient(),
    ]);
    await own(server, open.client_id, developer.id);
    await own(server, busy.client_id, developer.id);
    await registerApi(developer, { identifier: 'https://films.example' });
    await server.sql(`update client set introspects = 'https://films.example' where id = $1`, [busy.client_id]);
    const events = await eventsOf(server, developer.id);
    for (const id of [strangers.client_id, open.client_id, busy.client_id, 'munjigi-resource-api', 'nobody']) {
      const page = await fill(developer, `${path}/introspection`, { client: id });
      assert.equal(page.response.status, 422, id);
      const rows = await server.sql('select id from client where introspects = $1', [API.identifier]);
      assert.deepEqual(rows, [{ id: chosen.client_id }], id);
    }
    assert.deepEqual(await eventsOf(server, developer.id), events);
  });
});
