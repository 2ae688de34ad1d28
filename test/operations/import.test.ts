import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { ImportReport } from '../../scripts/import-report.ts';
import { runScript } from '../support/command.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { authorizePath, pkce, post } from '../support/flow.ts';
import { AUTH0, HYDRA, KEYCLOAK, SECRET } from '../support/foreign-exports.ts';
import { Person } from '../support/person.ts';
import { countRows, unchanged } from '../support/storage.ts';

describe('scripts/import.ts', () => {
  let server: TestServer;
  let folder: string;
  let files = 0;
  before(async () => {
    server = await startTestServer();
    folder = mkdtempSync(join(tmpdir(), 'import-'));
  });
  after(() => {
    rmSync(folder, { recursive: true });
    return server.close();
  });

  const path = (name: string) => join(folder, `${++files}-${name}`);
  const written = (content: unknown) => {
    const file = path('export.json');
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
    return file;
  };
  const command = (from: string, content: unknown, ...more: string[]) =>
    runScript(server, 'import', '--from', from, written(content), ...more);
  /** Runs it with a report and a file of secrets, and reads both. */
  const reported = (from: string, content: unknown, ...more: string[]) => {
    const [report, secrets] = [path('report.json'), path('secrets.jsonl')];
    const run = command(from, content, '--report', report, '--secrets', secrets, ...more);
    const told = JSON.parse(readFileSync(report, 'utf8')) as ImportReport;
    return { ...run, report, told, secrets, of: (id: string) => told.clients.find(({ client_id }) => client_id === id) };
  };
  const note = (client: ImportReport['clients'][number] | undefined, field: string, outcome: string) =>
    client?.fields.filter((each) => each.field === field && each.outcome === outcome) ?? [];
  const stored = async (id: string) => {
    const [row] = await server.sql('select metadata, suspended_at from client where id = $1', [id]);
    return row as { metadata: Record<string, unknown>; suspended_at: Date | null };
  };

  it('writes nothing in a dry run, and says what would be', async () => {
    for (const [from, content] of Object.entries({ keycloak: KEYCLOAK, hydra: HYDRA, auth0: AUTH0 })) {
      const { stdout, stderr } = await unchanged(server, async () => command(from, content, '--dry-run'));
      assert.equal(stderr, '', from);
      assert.match(stdout, /would be made/);
      assert.match(stdout, /nothing was written/);
      assert.ok(!stdout.includes(SECRET), 'no secret is told');
      assert.ok(!stdout.includes('\u001b') && !stdout.includes('\u202e'), 'a name must not speak to the terminal');
    }
  });

  it('asks first, and for a place for new secrets', async () => {
    const unasked = await unchanged(server, async () => command('keycloak', KEYCLOAK, '--secrets', '-'));
    assert.equal(unasked.status, 1);
    assert.match(unasked.stderr, /--yes/);
    const nowhere = await unchanged(server, async () => command('keycloak', KEYCLOAK, '--yes'));
    assert.equal(nowhere.status, 1);
    assert.match(nowhere.stderr, /--secrets FILE/);
  });

  it('takes in the clients of a Keycloak realm, and tells of each field', async () => {
    const { status, stderr, told, of, secrets, report } = reported('keycloak', KEYCLOAK, '--yes');
    assert.equal(status, 1, stderr);
    const outcomes = Object.fromEntries(told.clients.map(({ client_id, outcome }) => [client_id, outcome]));
    assert.deepEqual(outcomes, {
      account: 'skipped',
      saml: 'skipped',
      api: 'skipped',
      shop: 'made',
      spa: 'made',
      worker: 'made',
      wild: 'refused',
      evil: 'refused',
      'munjigi-account': 'refused',
    });
    const shop = of('shop');
    assert.deepEqual((await stored('shop')).metadata, withoutId(shop?.stored as Record<string, unknown>));
    const [wildcard] = note(shop, 'redirectUris', 'dropped');
    assert.match(String(wildcard?.why), /wildcard: register each address in full, such as https:\/\/shop\.example\/callback/);
    assert.equal(note(shop, 'attributes.post.logout.redirect.uris', 'changed').length, 1);
    assert.match(String(note(shop, 'grants (standardFlowEnabled …)', 'dropped').find(({ from }) => from === 'password')?.why), /RFC 9700/);
    assert.equal(note(shop, 'protocolMappers', 'dropped').length, 1);
    assert.match(String(of('wild')?.why), /no redirect URI is left/);
    assert.ok((await stored('worker')).suspended_at, 'what was disabled there is suspended here');

    const kept = { client_id: 'shop', client_secret: SECRET, redirect_uri: 'https://shop.example/cb' };
    assert.equal((await post(server, '/oauth/token', kept, { grant_type: 'client_credentials' })).status, 200);
    const made = readFileSync(secrets, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, string>);
    assert.deepEqual(
      made.map(({ client_id }) => client_id),
      ['worker'],
    );
    assert.equal(statSync(secrets).mode & 0o777, 0o600);
    assert.equal(statSync(report).mode & 0o777, 0o600);
    const text = readFileSync(report, 'utf8');
    for (const secret of [SECRET, String(made[0]?.['client_secret'])]) assert.ok(!text.includes(secret), 'no secret in the report');
    assert.equal(await countRows(server, `audit_event where type = 'clients_imported' and detail->>'source' = 'keycloak'`), 3);

    const { html } = await new Person(server.issuer).open(authorizePath(kept, { ...pkce(), code_verifier: undefined, scope: 'openid' }));
    assert.match(html, /<form/);
  });

  it('passes over what is here, and changes it when told to, with the secrets that it has', async () => {
    const again = await unchanged(server, async () => reported('keycloak', KEYCLOAK, '--yes'));
    assert.match(String(again.of('shop')?.why), /--update/);
    const renamed = structuredClone(KEYCLOAK);
    Object.assign(renamed.clients.find(({ clientId }) => clientId === 'shop') ?? {}, { name: 'New shop', secret: '**********' });
    const { of } = reported('keycloak', renamed, '--yes', '--update');
    assert.equal(of('shop')?.outcome, 'updated');
    assert.equal((await stored('shop')).metadata['client_name'], 'New shop');
    assert.equal(await countRows(server, 'client_secret where client_id = $1', ['shop']), 1);
  });

  it('leaves alone a client of that id that registered itself', async () => {
    await server.createClient({ client_id: 'own', dynamically_registered: true });
    const own = [{ client_id: 'own', redirect_uris: ['https://evil.example/cb'], grant_types: ['authorization_code'] }];
    const { of } = await unchanged(server, async () => reported('hydra', own, '--yes', '--update'));
    assert.match(String(of('own')?.why), /registered itself/);
  });

  it('takes in clients of Hydra, whose secrets are hashes', async () => {
    const { of, told, secrets } = reported('hydra', { items: HYDRA }, '--yes');
    assert.deepEqual(
      told.clients.map(({ outcome }) => outcome),
      ['made', 'made', 'refused'],
    );
    assert.match(String(note(of('h-web'), 'client_secret', 'changed')[0]?.why), /hash/);
    assert.match(String(note(of('h-jwt'), 'token_endpoint_auth_method', 'changed')[0]?.why), /digests/);
    assert.match(String(of('h-mtls')?.why), /tls_client_auth/);
    const [line = ''] = readFileSync(secrets, 'utf8').split('\n');
    const client = { ...(JSON.parse(line) as { client_id: string; client_secret: string }), redirect_uri: '' };
    assert.equal((await post(server, '/oauth/token', client, { grant_type: 'client_credentials' })).status, 200);
  });

  it('takes in applications of Auth0', async () => {
    const { of, told } = reported('auth0', AUTH0, '--yes');
    assert.deepEqual(
      told.clients.map(({ outcome }) => outcome),
      ['skipped', 'made', 'made', 'made', 'refused'],
    );
    const spa = (await stored('a-spa')).metadata;
    assert.equal(spa['token_endpoint_auth_method'], 'none');
    assert.deepEqual(spa['grant_types'], ['authorization_code', 'refresh_token']);
    assert.equal(note(of('a-spa'), 'grant_types', 'dropped').length, 2);
    assert.equal((await stored('a-native')).metadata['application_type'], 'native');
    assert.match(String(note(of('a-web'), 'jwt_configuration.alg', 'changed')[0]?.to), /RS256/);
    assert.equal(await countRows(server, 'client_secret where client_id = $1', ['a-spa']), 0);
  });

  it('gives no two clients one secret', async () => {
    const twins = ['one', 'two'].map((id) => ({
      client_id: `twin-${id}`,
      callbacks: [`https://${id}.example/cb`],
      app_type: 'regular_web',
      client_secret: `${SECRET}!`,
    }));
    const { of, status } = reported('auth0', twins, '--yes');
    assert.equal(status, 0);
    assert.match(String(note(of('twin-two'), 'client_secret', 'changed')[0]?.why), /another client has the same/);
    assert.deepEqual(
      await server.sql(`select client_id, count(*)::int as n from client_secret where client_id like 'twin-%' group by 1 order by 1`),
      [
        { client_id: 'twin-one', n: 1 },
        { client_id: 'twin-two', n: 1 },
      ],
    );
  });

  it('takes in people without their passwords, whom apps know by the same id', async () => {
    const { told } = reported('keycloak', KEYCLOAK, '--people', '--yes');
    assert.deepEqual(
      told.people?.map(({ outcome }) => outcome),
      ['made', 'made', 'skipped', 'refused', 'refused'],
    );
    const people = await server.sql(
      `select id, email, name, password_hash, email_verified, disabled_at is not null as disabled from user_account where email like '%realm.example' order by email`,
    );
    assert.deepEqual(people, [
      {
        id: '0b2bd1c4-0b8e-4b5c-9d9e-0d7a4b1f0001',
        email: 'bell@realm.example',
        name: 'Bell Kim',
        password_hash: null,
        email_verified: false,
        disabled: false,
      },
      {
        id: '0b2bd1c4-0b8e-4b5c-9d9e-0d7a4b1f0002',
        email: 'off@realm.example',
        name: 'off',
        password_hash: null,
        email_verified: false,
        disabled: true,
      },
    ]);
    const again = await unchanged(server, async () => reported('keycloak', KEYCLOAK, '--people', '--yes'));
    assert.deepEqual(
      again.told.people?.map(({ outcome }) => outcome),
      ['skipped', 'skipped', 'skipped', 'refused', 'refused'],
    );
  });

  it('refuses what is no such export, in one sentence, and reads nothing that is too large', async () => {
    const huge = written('');
    truncateSync(huge, 100 * 1024 * 1024);
    await unchanged(server, async () => {
      for (const [from, content, said] of [
        ['keycloak', '{"realm":"x"', /no JSON/],
        ['keycloak', HYDRA, /realm export/],
        ['hydra', KEYCLOAK, /Ory Hydra/],
        ['auth0', HYDRA, /Auth0/],
        ['hydra', AUTH0, /Ory Hydra/],
        ['hydra', '[]', /no client/],
        ['hydra', 'null', /Ory Hydra/],
        ['keycloak', `{"clients":${'['.repeat(50_000)}${']'.repeat(50_000)}}`, /realm export/],
        ['okta', [], /say where it comes from/],
      ] as const) {
        const { status, stderr } = command(from, content, '--yes');
        assert.equal(status, 1, from);
        assert.match(stderr, said);
      }
      const tooLarge = runScript(server, 'import', '--from', 'hydra', huge, '--yes');
      assert.match(tooLarge.stderr, /104857600 bytes/);
      for (const file of [join(folder, 'nowhere.json'), folder])
        assert.equal(runScript(server, 'import', '--from', 'hydra', file, '--yes').status, 1);
      assert.equal(runScript(server, 'import', '--from', 'hydra', written(HYDRA), '--people').status, 1);
      assert.equal(runScript(server, 'import').status, 1);
    });
    assert.equal(runScript(server, 'import', '--help').status, 0);
  });

  it('keeps to what it knows, whatever a file says', async () => {
    const hostile = `[
      {"client_id":"h\u0000st","redirect_uris":["https://a.example/cb"],"grant_types":["authorization_code"]},
      {"client_id":"js","redirect_uris":["jAvA\\tscript:alert(1)","javascript:alert(1)","https://a.example@evil.example/"],"grant_types":["authorization_code"]},
      {"client_id":"proto","__proto__":{"introspects":"${server.issuer}"},"introspects":"${server.issuer}","services":["far"],"admin_scopes":["admin:read"],"publisher":"Bank",
       "client_name":"Be\\u202ell \\u001b[31m","redirect_uris":["https://a.example/cb"],"grant_types":["authorization_code"],"token_endpoint_auth_method":"none"},
      {"client_id":"proto","redirect_uris":["https://b.example/cb"],"grant_types":["authorization_code"],"token_endpoint_auth_method":"none"},
      {"client_id":"handle","client_secret":"sha256:${'a'.repeat(64)}","redirect_uris":["https://a.example/cb"],"grant_types":["client_credentials"]}
    ]`.replace('\u0000', '\\u0000');
    const { told, of, stdout, secrets } = reported('hydra', hostile, '--yes');
    assert.deepEqual(
      told.clients.map(({ outcome }) => outcome),
      ['refused', 'refused', 'made', 'refused', 'made'],
    );
    assert.ok(!stdout.includes('\u001b') && !stdout.includes('\u202e'));
    assert.equal(of('proto')?.name, 'Bell [31m');
    assert.deepEqual(
      await server.sql(
        `select introspects, services, admin_scopes, publisher, metadata->'redirect_uris' as uris from client where id = 'proto'`,
      ),
      [{ introspects: null, services: [], admin_scopes: [], publisher: null, uris: ['https://a.example/cb'] }],
    );
    assert.match(readFileSync(secrets, 'utf8'), /"handle"/);
  });
});

const withoutId = ({ client_id: _, ...metadata }: Record<string, unknown>) => metadata;
