import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { SIGNING_ALGORITHMS } from '../../src/oauth/clients/signing-algorithms.ts';
import { allowServices, TOKEN_EXCHANGE_GRANT } from '../../src/oauth/clients/store.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { authorizePath, clientCredentials, pkce, post } from '../support/flow.ts';
import { AUTH0, HYDRA, KEYCLOAK, SECRET } from '../support/foreign-exports.ts';
import { type Importing, note, openImporting } from '../support/importing.ts';
import { Person } from '../support/person.ts';
import { countRows, unchanged } from '../support/storage.ts';

describe('munjigi clients import', () => {
  let server: TestServer;
  let reported: Importing['reported'];
  let command: Importing['command'];
  let close: Importing['close'];
  before(async () => {
    server = await startTestServer();
    ({ reported, command, close } = openImporting(server));
  });
  after(() => {
    close();
    return server.close();
  });

  const stored = async (id: string) => {
    const [row] = await server.sql('select metadata, suspended_at from client where id = $1', [id]);
    return row as { metadata: Record<string, unknown>; suspended_at: Date | null };
  };

  it('writes nothing in a dry run, and says what would be', async () => {
    for (const [from, content] of Object.entries({ keycloak: KEYCLOAK, hydra: HYDRA, auth0: AUTH0 })) {
      const { stdout, stderr } = await unchanged(server, async () =>
        command(from, content, '--dry-run', ...(from === 'keycloak' ? ['--people'] : [])),
      );
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
      wild: 'made',
      evil: 'made',
      'munjigi-account': 'refused',
    });
    const shop = of('shop');
    assert.deepEqual((await stored('shop')).metadata, withoutId(shop?.stored as Record<string, unknown>));
    const [wildcard] = note(shop, 'redirectUris', 'dropped');
    assert.match(String(wildcard?.why), /wildcard: register each address in full, such as https:\/\/shop\.example\/callback/);
    assert.equal(note(shop, 'attributes.post.logout.redirect.uris', 'changed').length, 1);
    assert.match(String(note(shop, 'grants (standardFlowEnabled …)', 'dropped').find(({ from }) => from === 'password')?.why), /RFC 9700/);
    assert.equal(note(shop, 'protocolMappers', 'dropped').length, 1);
    for (const id of ['wild', 'evil']) {
      assert.equal(of(id)?.suspended, true);
      assert.match(String(note(of(id), 'grants (standardFlowEnabled …)', 'changed')[0]?.why), /no redirect URI is left.*--redirect-uris/);
      assert.ok((await stored(id)).suspended_at, 'nobody signs in with it');
    }
    assert.ok((await stored('worker')).suspended_at, 'what was disabled there is suspended here');

    const kept = { client_id: 'shop', client_secret: SECRET, redirect_uri: 'https://shop.example/cb' };
    assert.equal((await post(server, '/oauth/token', kept, { grant_type: 'client_credentials' })).status, 200);
    const made = readFileSync(secrets, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, string>);
    assert.deepEqual(
      made.map(({ client_id }) => client_id),
      ['worker', 'wild', 'evil'],
    );
    assert.equal(statSync(secrets).mode & 0o777, 0o600);
    assert.equal(statSync(report).mode & 0o777, 0o600);
    const text = readFileSync(report, 'utf8');
    for (const secret of [SECRET, String(made[0]?.['client_secret'])]) assert.ok(!text.includes(secret), 'no secret in the report');
    assert.equal(await countRows(server, `audit_event where type = 'clients_imported' and detail->>'source' = 'keycloak'`), 5);

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

  it('judges the algorithm of ID tokens as the server does, which signs with each', async () => {
    const metadata = await (await fetch(`${server.issuer}/.well-known/openid-configuration`)).json();
    assert.deepEqual([...metadata.id_token_signing_alg_values_supported].sort(), [...SIGNING_ALGORITHMS].sort());
    const signed = SIGNING_ALGORITHMS.map((alg) => ({
      client_id: `signed-${alg}`,
      client_name: alg,
      redirect_uris: ['https://signed.example/cb'],
      grant_types: ['authorization_code'],
      token_endpoint_auth_method: 'none',
      id_token_signed_response_alg: alg,
    }));
    const { status, stderr } = reported('hydra', signed, '--yes');
    assert.equal(status, 0, stderr);
    for (const alg of SIGNING_ALGORITHMS)
      assert.equal((await stored(`signed-${alg}`)).metadata['id_token_signed_response_alg'] ?? 'RS256', alg);
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

  it('takes in people, whom apps know by the same id, and without a password that cannot be one', async () => {
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
        email_verified: true,
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

  it('keeps where an operator lets a client act, and ends what one holds that was disabled there', async () => {
    const client = await server.createClient({ client_id: 'acting' });
    await server.database.change(allowServices('acting', { services: ['far'], origins: [] }));
    await clientCredentials(server, client);
    const realm = { clients: [{ clientId: 'acting', enabled: false, serviceAccountsEnabled: true, secret: '**********' }] };
    assert.equal(reported('keycloak', realm, '--yes', '--update').status, 0);
    assert.deepEqual(
      await server.sql(
        `select services, metadata->'grant_types' as grants, suspended_at is not null as suspended from client where id = 'acting'`,
      ),
      [{ services: ['far'], grants: ['client_credentials', TOKEN_EXCHANGE_GRANT], suspended: true }],
    );
    assert.equal(await countRows(server, `token where client_id = 'acting'`), 0);
  });
});

const withoutId = ({ client_id: _, ...metadata }: Record<string, unknown>) => metadata;
