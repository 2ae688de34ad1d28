import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { addOwner } from '../../src/oauth/clients/owners.ts';
import type { ClientMetadata } from '../../src/oauth/clients/store.ts';
import { eventsOf, openAccount, send } from '../support/account.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { authorizePath, type Credentials, obtainTokens, pkce, type TestClient } from '../support/flow.ts';
import { type Page, Person } from '../support/person.ts';
import { unchanged, WRITTEN_BEHIND } from '../support/storage.ts';

describe('The health of a client in the portal', () => {
  let server: TestServer;
  let owner: Credentials & { id: string };
  before(async () => {
    server = await startTestServer();
    owner = await server.createPerson();
  });
  after(() => server.close());

  const pathOf = (client: TestClient, page = '/health') => `/developer/clients/${client.client_id}${page}`;
  const english = () => Object.assign(new Person(server.issuer), { headers: { 'accept-language': 'en' } });
  const open = (client: TestClient, page?: string) => openAccount(server, owner, pathOf(client, page), english());
  async function own(metadata: Partial<ClientMetadata> = {}): Promise<TestClient & { client_secret: string }> {
    const client = await server.createClient({ grant_types: ['authorization_code', 'refresh_token'], ...metadata });
    await server.database.change(addOwner(client.client_id, owner.id));
    return client;
  }
  /** Sends a request that fails, and waits until its error is stored. */
  async function fail(client: TestClient, parameters: Record<string, string>): Promise<string> {
    const count = async () => await server.sql('select id from client_error where client_id = $1 order by at desc', [client.client_id]);
    const before = (await count()).length;
    await server.send(new URL(authorizePath(client, { ...pkce(), ...parameters }), server.issuer));
    await eventually('the error is stored', async () => (await count()).length > before);
    return String((await count())[0]?.['id']);
  }
  const metadataOf = async ({ client_id }: TestClient) =>
    (await server.sql('select metadata from client where id = $1', [client_id]))[0]?.['metadata'] as Record<string, unknown>;
  const press = (page: Page, client: TestClient, act: string, error: string) => send(page, pathOf(client, '/errors'), { act, error });

  it('says when users signed in, which scopes they leave out, and which secrets end', async () => {
    const client = await own({ scope: 'openid posts:read posts:write', required_scope: 'openid posts:read' });
    const before = await open(client);
    assert.match(before.html, /Last sign-in<\/dt>\s*<dd>None yet/);
    assert.match(before.html, /Errors in the last day<\/dt>\s*<dd>None/);
    for (let n = 0; n < 3; n++) await obtainTokens(server, client, await server.createPerson(), { scope: 'openid posts:read posts:write' });
    // Two of three decline the optional scope at the consent page, which has no box ticked.
    await server.sql(
      `update grant_record set payload = jsonb_set(jsonb_set(payload, '{resources}', $2), '{rejected}', $3) where id = any(array(select id from grant_record where client_id = $1 order by id limit 2))`,
      [
        client.client_id,
        JSON.stringify({ [`${server.issuer}/api/posts`]: 'posts:read' }),
        JSON.stringify({ openid: { scope: '' }, resources: { [`${server.issuer}/api/posts`]: 'posts:write' } }),
      ],
    );
    await server.sql(
      `update grant_record set payload = jsonb_set(jsonb_set(payload, '{resources}', $2), '{rejected}', '{}') where id = any(array(select id from grant_record where client_id = $1 order by id offset 2))`,
      [client.client_id, JSON.stringify({ [`${server.issuer}/api/posts`]: 'posts:read posts:write' })],
    );
    await server.sql(`update client_secret set expires_at = now() + interval '90 minutes' where client_id = $1`, [client.client_id]);
    const { html } = await open(client);
    assert.match(html, /Last sign-in<\/dt>\s*<dd>(?!None)/);
    assert.match(html, /posts:write<\/code>: <strong>67 % leave this out/);
    assert.doesNotMatch(html, /posts:read<\/code>: <strong>/);
    assert.match(html, /Every secret expires: create a new one[\s\S]*In (89|90) minutes/);
    assert.doesNotMatch(html, new RegExp(owner.email), 'nobody is named');
    assert.match((await open(client, '/preview')).html, /posts:write<\/code>[\s\S]{0,200}67 % leave this out/);
  });

  it('says whether codes are bound to the browser, and requires PKCE by one press', async () => {
    const client = await own();
    await server.sql('insert into client_pkce_use (client_id, bound_at, in_a_row) values ($1, now(), 20)', [client.client_id]);
    const page = await open(client);
    assert.match(page.html, /All recent codes were bound/);
    assert.match(page.html, /name="act" value="require_pkce"/);
    await send(page, pathOf(client, ''), { act: 'require_pkce' });
    assert.equal((await metadataOf(client))['require_pkce'], true);
    assert.match((await open(client)).html, /Each code works only in the browser/);
  });

  it('an address of the app is allowed by the button beside its error, and then works', async () => {
    const client = await own({ redirect_uris: ['https://client.example/callback', `${server.issuer}/developer/try/callback`] });
    const redirect_uri = 'https://client.example/callback/';
    const error = await fail(client, { redirect_uri });
    const page = await open(client);
    assert.match(page.html, /redirect URI is not registered[\s\S]*Allow this address/);
    assert.match((await open(client, '/errors')).html, /Allow this address/);
    const done = await press(page, client, 'allow_address', error);
    assert.equal(done.url.search, '?done', done.html);
    assert.deepEqual((await metadataOf(client))['redirect_uris'], [
      client.redirect_uri,
      `${server.issuer}/developer/try/callback`,
      redirect_uri,
    ]);
    assert.deepEqual((await eventsOf(server, owner.id))[0], 'client_changed');
    assert((await obtainTokens(server, { ...client, redirect_uri }, await server.createPerson())).access_token);
    await unchanged(
      server,
      async () => assert.equal((await press(page, client, 'allow_address', error)).response.status, 422),
      WRITTEN_BEHIND,
    );
  });

  it('an address on another host has no button, whatever the form says', async () => {
    const client = await own();
    for (const redirect_uri of [
      'https://attacker.example/callback',
      'http://client.example/callback',
      'https://client.example.attacker.example/',
    ]) {
      const error = await fail(client, { redirect_uri });
      assert.doesNotMatch((await open(client)).html, /value="allow_address"/, redirect_uri);
      const page = await open(client, '');
      await unchanged(
        server,
        async () => {
          for (const id of [error, 'unknown', '']) assert.equal((await press(page, client, 'allow_address', id)).response.status, 422);
        },
        WRITTEN_BEHIND,
      );
    }
  });

  it('a scope that the app asked for in vain is added by the button beside its error', async () => {
    const client = await own({ scope: 'openid' });
    const error = await fail(client, { scope: 'openid email admin:read', redirect_uri: client.redirect_uri });
    const page = await open(client);
    assert.match(page.html, /Add this scope/);
    assert.match(page.html, /<bdi><code>email<\/code><\/bdi>/, 'a scope of the admin API is not among them');
    await press(page, client, 'add_scope', error);
    assert.equal((await metadataOf(client))['scope'], 'openid email');
  });

  it("another owner's errors cure nothing here, and another's client is not there", async () => {
    const [client, other] = [await own(), await own()];
    const theirs = await server.createClient();
    const error = await fail(other, { redirect_uri: 'https://client.example/else' });
    const page = await open(client, '');
    await unchanged(server, async () => {
      assert.equal((await press(page, client, 'allow_address', error)).response.status, 422);
      assert.equal((await press(page, theirs, 'allow_address', error)).response.status, 404);
      assert.equal((await page.person.open(pathOf(theirs))).response.status, 404);
    });
  });
});
