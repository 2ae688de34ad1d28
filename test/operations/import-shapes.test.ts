import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { createDatabase, startTestServer, type TestServer } from '../support/environment.ts';
import { authorizePath, pkce, post } from '../support/flow.ts';
import { SECRET } from '../support/foreign-exports.ts';
import { type Importing, note, openImporting } from '../support/importing.ts';
import { Person } from '../support/person.ts';
import { unchanged } from '../support/storage.ts';

const page = (clientId: string, more: object = {}) => ({
  clientId,
  publicClient: true,
  redirectUris: [`https://${clientId}.example/cb`],
  ...more,
});

describe('munjigi clients import, of the shapes that exports have', () => {
  let server: TestServer;
  let importing: Importing;
  before(async () => {
    server = await startTestServer();
    importing = openImporting(server);
  });
  after(() => {
    importing.close();
    return server.close();
  });

  const stored = async (id: string) => {
    const [row] = await server.sql('select metadata, suspended_at is not null as suspended from client where id = $1', [id]);
    return row as { metadata: Record<string, unknown>; suspended: boolean } | undefined;
  };
  const opens = async (client_id: string, redirect_uri: string, parameters = {}) => {
    const { html, url } = await new Person(server.issuer).open(
      authorizePath({ client_id, redirect_uri }, { ...pkce(), code_verifier: undefined, scope: 'openid', ...parameters }),
    );
    return html.includes('name="password"') ? 'sign-in' : (url.searchParams.get('error') ?? 'an error page');
  };

  it('reads an array of realms, an array of clients, and a client alone', async () => {
    const realms = [
      { realm: 'master', clients: [] },
      { realm: 'one', clients: [page('realm-one')] },
      { realm: 'two', clients: [page('realm-two'), page('realm-one')] },
    ];
    const { told } = importing.reported('keycloak', realms, '--yes');
    assert.deepEqual(
      told.clients.map(({ client_id, outcome, why = '' }) => [client_id, outcome, why]),
      [
        ['realm-one', 'made', ''],
        ['realm-two', 'made', ''],
        ['realm-one', 'refused', 'another client of the file before it has the same client id'],
      ],
    );
    assert.equal(importing.reported('keycloak', [page('alone-listed')], '--yes').status, 0);
    assert.equal(importing.reported('keycloak', page('alone'), '--yes').status, 0);
    // A switch that the export leaves out is on.
    assert.deepEqual((await stored('alone'))?.metadata['grant_types'], ['authorization_code', 'refresh_token']);
    assert.equal(await opens('alone', 'https://alone.example/cb'), 'sign-in');
  });

  it('reads the YAML of keycloak-config-cli, with anchors and variables', async () => {
    const file = importing.written(
      `realm: shop
enabled: true
clients:
  - &page
    clientId: yaml-page
    publicClient: true
    redirectUris: [https://yaml.example/cb, $(env:SHOP_URL)/cb]
    attributes: {pkce.code.challenge.method: S256}
  - <<: *page
    clientId: yaml-job
    publicClient: false
    standardFlowEnabled: false
    serviceAccountsEnabled: true
    secret: $(env:JOB_SECRET)
`,
      'shop.yaml',
    );
    const { of, status, secrets } = importing.reportedFile('keycloak', file, '--yes');
    assert.equal(status, 0);
    assert.deepEqual((await stored('yaml-page'))?.metadata['redirect_uris'], ['https://yaml.example/cb']);
    assert.equal(note(of('yaml-page'), 'redirectUris', 'dropped').length, 1);
    assert.match(String(note(of('yaml-job'), 'secret', 'changed')[0]?.why), /placeholder/);
    const job = { redirect_uri: '', ...JSON.parse(readFileSync(secrets, 'utf8')) };
    assert.equal((await post(server, '/oauth/token', job, { grant_type: 'client_credentials' })).status, 200);
  });

  it('tells of all that lies at realm level', () => {
    const realm = {
      ...{
        realm: 'r',
        clients: [page('level')],
        roles: { realm: [{ name: 'editor' }] },
        groups: [{ name: 'staff' }],
        smtpServer: { host: 'm' },
      },
      ...{ identityProviders: [{ alias: 'google' }], clientScopes: [{ name: 'orders' }], accessTokenLifespan: 300, oddity: 1, off: false },
      ...{ attributes: { frontendUrl: 'https://x.example' }, users: [{ username: 'a' }, { username: 'b' }] },
    };
    const { told, stdout } = importing.reported('keycloak', realm, '--yes');
    assert.deepEqual(
      told.beside.map(({ field, from }) => [field, from]),
      [
        ['roles', 'realm'],
        ['groups', '1: staff'],
        ['smtpServer', 'host'],
        ['identityProviders', '1: google'],
        ['clientScopes', '1: orders'],
        ['accessTokenLifespan', '300'],
        ['oddity', '1'],
        ['attributes.frontendUrl', 'https://x.example'],
        ['users', '2'],
      ],
    );
    assert.ok(told.beside.every(({ why }) => why));
    assert.match(stdout, /^clients: 1 made\n(.*\n)*left behind: 9 things/);
  });

  it('makes a client with the addresses that can stay, and suspends one without any until it has one', async () => {
    const clients = [
      page('kept', { redirectUris: ['https://kept.example/*', 'https://kept.example/cb'] }),
      page('waiting', { redirectUris: ['https://waiting.example/*', '/relative/*'] }),
      { clientId: 'acting', secret: SECRET, serviceAccountsEnabled: true, redirectUris: ['*'] },
    ];
    const { status, of } = importing.reported('keycloak', { clients }, '--yes');
    assert.equal(status, 0, 'a suspended client is no failure');
    assert.deepEqual((await stored('kept'))?.metadata['redirect_uris'], ['https://kept.example/cb']);
    assert.equal(of('waiting')?.suspended, true);
    assert.equal((await stored('waiting'))?.suspended, true);
    assert.notEqual(await opens('waiting', 'https://waiting.example/cb'), 'sign-in');
    assert.deepEqual((await stored('acting'))?.metadata['grant_types'], ['client_credentials']);
    const acting = { client_id: 'acting', client_secret: SECRET, redirect_uri: '' };
    assert.equal((await post(server, '/oauth/token', acting, { grant_type: 'client_credentials' })).status, 200);

    const again = await unchanged(server, async () => importing.reported('keycloak', { clients }, '--yes'));
    assert.match(String(again.of('waiting')?.why), /suspended until it has a redirect URI/);
    const wrong = importing.written('waiting https://waiting.example/*\n', 'uris');
    const refused = await unchanged(server, async () => importing.command('keycloak', { clients }, '--yes', '--redirect-uris', wrong));
    assert.match(refused.stderr, /--redirect-uris line 1: .* must not contain a wildcard/);
    const right = importing.written('# id address\nwaiting https://waiting.example/cb\n\nstranger https://x.example/cb\n', 'uris');
    const given = importing.reported('keycloak', { clients }, '--yes', '--redirect-uris', right);
    assert.equal(given.of('waiting')?.outcome, 'updated');
    assert.match(JSON.stringify(given.told.beside), /stranger.*the file has no client with this id/);
    assert.equal((await stored('waiting'))?.suspended, false);
  });

  it('requires PKCE where the old server did, and of every public client', async () => {
    const open = { code_challenge: undefined, code_challenge_method: undefined, nonce: 'n' };
    const server_ = { clientId: 'no-pkce', secret: `${SECRET}no`, redirectUris: ['https://no-pkce.example/cb'] };
    const strict = { ...server_, clientId: 'with-pkce', secret: `${SECRET}with`, attributes: { 'pkce.code.challenge.method': 'S256' } };
    importing.reported('keycloak', { clients: [server_, strict, page('public-pkce')] }, '--yes');
    assert.equal(await opens('no-pkce', 'https://no-pkce.example/cb', open), 'sign-in');
    assert.equal(await opens('with-pkce', 'https://no-pkce.example/cb', open), 'invalid_request');
    assert.equal(await opens('public-pkce', 'https://public-pkce.example/cb', open), 'invalid_request');
  });

  it('reads one client of Hydra, a page of several, and resources of hydra-maester with their Secret', async () => {
    const client = { client_id: 'hydra-alone', grant_types: ['authorization_code'], redirect_uris: ['https://h.example/cb'] };
    assert.equal(importing.reported('hydra', { ...client, token_endpoint_auth_method: 'none' }, '--yes').status, 0);
    const machine = { client_id: 'hydra-page', grant_types: ['client_credentials'], client_secret: `${SECRET}page` };
    const { told } = importing.reported('hydra', { items: [machine], is_last_page: false, next_page_token: 'x' }, '--yes');
    assert.match(JSON.stringify(told.beside), /one page of several/);
    const resources = importing.written(
      `apiVersion: hydra.ory.sh/v1alpha1
kind: OAuth2Client
metadata: {name: web}
spec:
  clientName: Maester
  grantTypes: [authorization_code]
  redirectUris: [https://maester.example/cb]
  scopeArray: [openid, profile]
  secretName: web-secret
---
apiVersion: v1
kind: Secret
metadata: {name: web-secret}
data: {CLIENT_ID: ${Buffer.from('old-id').toString('base64')}, CLIENT_SECRET: ${Buffer.from(`${SECRET}maester`).toString('base64')}}
---
apiVersion: v1
kind: List
items:
  - kind: OAuth2Client
    metadata: {name: maester-job}
    spec: {grantTypes: [client_credentials], secretName: elsewhere}
  - {apiVersion: v1, kind: Service, metadata: {name: hydra}}
`,
      'clients.yml',
    );
    const maester = importing.reportedFile('hydra', resources, '--yes');
    assert.equal(maester.status, 0);
    assert.deepEqual(
      maester.told.clients.map(({ client_id, reissued = false }) => [client_id, reissued]),
      [
        ['old-id', false],
        ['maester-job', true],
      ],
    );
    assert.equal((await stored('old-id'))?.metadata['scope'], 'openid profile');
    assert.match(JSON.stringify(maester.told.beside), /Service/);
  });

  it('reads what deploy-cli of Auth0 exports, with its keywords, and says which applications are missing', async () => {
    const app = (name: string) => ({
      name,
      app_type: 'spa',
      callbacks: [`https://${name}.example/cb`],
      token_endpoint_auth_method: 'none',
    });
    const folder = importing.writtenFolder({
      'clients/one.json': app('one'),
      'clients/two.json': JSON.stringify(app('two')).replace('["https://two.example/cb"]', '@@CALLBACKS@@'),
      'clients/하나.json': { ...app('three'), name: '가게' },
      'resource-servers/orders.json': { name: 'Orders', identifier: 'https://orders.example' },
      'tenant.json': { friendly_name: 'T' },
    });
    const { told, status } = importing.reportedFile('auth0', folder, '--yes');
    assert.equal(status, 0);
    const ids = told.clients.map(({ client_id }) => client_id);
    assert.deepEqual(ids.slice(0, 2), ['one', 'two']);
    assert.match(String(ids[2]), /^[0-9a-f]{8}$/);
    assert.deepEqual(
      told.clients.map(({ suspended = false }) => suspended),
      [false, true, false],
    );
    assert.deepEqual(
      told.beside.map(({ field }) => field),
      ['resource-servers/orders.json', 'tenant.json'],
    );
    const again = await unchanged(server, async () => importing.reportedFile('auth0', folder, '--yes'));
    assert.ok(again.told.clients.every(({ outcome }) => outcome === 'skipped'));
    const some = importing.reported('auth0', { clients: [{ ...app('four'), client_id: 'four' }], total: 180, start: 0, limit: 1 }, '--yes');
    assert.match(JSON.stringify(some.told.beside), /these are 1 of 180 applications/);
    const tenant = importing.written(
      'clients:\n  - name: From tenant\n    app_type: spa\n    callbacks: @@URLS@@\nroles: [{name: a}]\n',
      'tenant.yaml',
    );
    const whole = importing.reportedFile('auth0', tenant, '--yes');
    assert.deepEqual(whole.told.clients[0]?.client_id, 'from-tenant');
    assert.equal(note(whole.told.clients[0], 'callbacks', 'dropped').length, 1);
    assert.deepEqual(
      whole.told.beside.map(({ field, from }) => [field, from]),
      [['roles', '1: a']],
    );
  });

  it('gives a new secret for one that is masked', () => {
    for (const [n, mask] of [
      '[REDACTED]',
      '**********',
      '##SECRET##',
      ['$', '{SECRET}'].join(''),
      '{{ secret }}',
      '<client-secret>',
      'CHANGE_ME',
    ].entries()) {
      const { of } = importing.reported('auth0', [{ client_id: `masked-${n}`, app_type: 'non_interactive', client_secret: mask }], '--yes');
      assert.equal(of(`masked-${n}`)?.reissued, true, mask);
      assert.match(String(note(of(`masked-${n}`), 'client_secret', 'changed')[0]?.why), /mask or placeholder/, mask);
    }
  });

  it('refuses YAML that would fill the memory, refers to itself, or is none', async () => {
    const bomb = [
      'a: &a [x,x,x,x,x,x,x,x,x]',
      ...[...'bcdefghi'].map((name, n) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[n]}`)}]`),
    ];
    for (const [yaml, said] of [
      [[...bomb, 'clients: *i'].join('\n'), /aliases/],
      ['a: &a [*a, *a]\nclients: *a', /refers to itself/],
      ['clients: &c\n  - clientId: x\n    more: *c', /refers to itself/],
      ['clients: [', /it is no YAML: see line/],
      ['realm: *nowhere', /it is no YAML|aliases refer to nothing/],
      ['\t- x: {', /it is no YAML/],
    ] as const) {
      const { status, stderr } = await unchanged(server, async () =>
        importing.commandFile('keycloak', importing.written(yaml, 'bomb.yaml'), '--yes'),
      );
      assert.equal(status, 1);
      assert.match(stderr, said);
      assert.equal(stderr.trim().split('\n').length, 1, stderr);
    }
  });
});

describe('munjigi clients import, before the first start of the server', () => {
  it('asks for the tables where the database has none', async () => {
    const server = await startTestServer();
    await server.sql('create schema bare');
    const url = new URL(server.config.databaseUrl);
    url.searchParams.set('options', '-c search_path=bare');
    const importing = openImporting({ ...server, config: { ...server.config, databaseUrl: url.href } });
    try {
      const { status, stderr } = importing.command('keycloak', page('bare'), '--yes');
      assert.equal(status, 1);
      assert.match(
        stderr,
        /^munjigi clients import: the database has no tables yet: run node scripts\/migrate\.ts, or start the server once\n$/,
      );
    } finally {
      importing.close();
      await server.close();
    }
  });

  it('knows the scopes that the server will have', async () => {
    const database = await createDatabase();
    const server = await startTestServer({}, database);
    await server.sql('delete from resource_server');
    const importing = openImporting(server);
    try {
      const machine = { client_id: 'early', grant_types: ['client_credentials'], scope: 'openid profile', client_secret: SECRET };
      const { of } = importing.reported('hydra', [machine], '--yes');
      assert.equal(of('early')?.outcome, 'made');
      assert.match(JSON.stringify(of('early')?.stored), /"scope":"openid profile"/);
    } finally {
      importing.close();
      await server.close();
    }
  });
});
