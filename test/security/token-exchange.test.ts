import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { generateKeyPair, SignJWT } from 'jose';
import { endIdentity } from '../../src/features/federation/identities.ts';
import { allowServices } from '../../src/oauth/clients/store.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { clientCredentials, obtainTokens, post, type TestClient } from '../support/flow.ts';
import { ACCESS_TOKEN, createReaching, createServiceClient, exchange, type Reaching } from '../support/linked.ts';
import { assertRefused } from '../support/refusals.ts';
import { unchanged } from '../support/storage.ts';
import { addProvider, startUpstream, type TestUpstream } from '../support/upstream.ts';

/** A refused client gets the reason, and nothing else happens: no row changes and the provider gets no request. */
describe('A token exchange fails', () => {
  let server: TestServer;
  let upstream: TestUpstream;
  let reaching: Reaching;
  before(async () => {
    [server, upstream] = await Promise.all([startTestServer(), startUpstream()]);
    await addProvider(server, upstream, { services: ['notes.read', 'notes.write'] });
    await addProvider(server, upstream, { id: 'near', services: ['files.read'] });
    reaching = await createReaching(server, upstream);
  });
  after(async () => {
    await Promise.all([server.close(), upstream.close()]);
  });

  type Parameters = Record<string, string | string[] | undefined>;

  async function refused(
    error: string,
    {
      status = 400,
      client = reaching.client,
      token = reaching.accessToken,
      headers = {},
      parameters = {},
    }: { status?: number; client?: TestClient | undefined; token?: string; headers?: Record<string, string>; parameters?: Parameters } = {},
  ): Promise<Record<string, unknown>> {
    const asked = upstream.asked.length;
    // Requests with a live token are counted, even when they are refused.
    const body = await unchanged(
      server,
      async () => assertRefused(await exchange(server, client, token, parameters, headers), status, error),
      ['rate_limit'],
    );
    assert.equal(upstream.asked.length, asked, 'the provider is asked nothing');
    assert.equal(body['access_token'], undefined);
    assert.equal(typeof body['error_description'], 'string');
    return body;
  }

  it('by a client that no operator allowed to act for users', async () => {
    const plain = await server.createClient();
    const { access_token } = await obtainTokens(server, plain, reaching.person, { scope: 'openid' });
    await refused('invalid_request', { client: plain, token: access_token });
    await refused('invalid_request', { client: plain });
    // The grant type alone is not enough, nor is permission for another provider.
    const elsewhere = await createServiceClient(server, { services: ['near'] });
    const { access_token: token } = await obtainTokens(server, elsewhere, reaching.person, { scope: 'openid' });
    await refused('invalid_target', { client: elsewhere, token });
  });

  it('by a client from which an operator withdrew it', async () => {
    const { client, accessToken: token } = await createReaching(server, upstream);
    await server.database.change(allowServices(client.client_id, { services: ['near'], origins: [] }));
    await eventually('the node hears of it', async () => (await exchange(server, client, token)).status === 400);
    await refused('invalid_target', { client, token });
    await server.database.change(allowServices(client.client_id, { services: [], origins: [] }));
    await eventually(
      'the node hears of it',
      async () => (await (await exchange(server, client, token)).json()).error === 'invalid_request',
    );
  });

  it('by a client without authentication', async () => {
    await refused('invalid_client', { status: 401, client: { ...reaching.client, client_secret: 'wrong' } });
    await assertRefused(await exchange(server, undefined, reaching.accessToken), 400, 'invalid_request');
    const open = await createServiceClient(server, { token_endpoint_auth_method: 'none' });
    const client = { client_id: open.client_id, redirect_uri: open.redirect_uri };
    const { access_token: token } = await obtainTokens(server, client, reaching.person, { scope: 'openid far:notes.read' });
    const { error_description } = await refused('invalid_request', { client, token });
    assert.match(String(error_description), /does not authenticate/);
  });

  it("with another client's token, as if it did not exist", async () => {
    const other = await createServiceClient(server);
    const nobodys = await refused('invalid_request', { client: other, token: 'x'.repeat(43) });
    assert.deepEqual(await refused('invalid_request', { client: other }), nobodys);
  });

  it('with an expired or revoked token, or one of a deleted user', async () => {
    const expired = await createReaching(server, upstream);
    await server.sql(`update token set expires_at = now() where account_id = $1`, [expired.person.id]);
    await refused('invalid_request', { client: expired.client, token: expired.accessToken });
    const revoked = await createReaching(server, upstream);
    await post(server, '/oauth/revoke', revoked.client, { token: revoked.accessToken });
    await refused('invalid_request', { client: revoked.client, token: revoked.accessToken });
    for (const change of ['disabled_at = now()', `delete_after = now() + interval '30 days'`]) {
      const gone = await createReaching(server, upstream);
      await server.sql(`update user_account set ${change} where id = $1`, [gone.person.id]);
      await refused('invalid_request', { client: gone.client, token: gone.accessToken });
    }
  });

  it('with any other credential of a client', async () => {
    const { client, person } = reaching;
    const posts = { scope: 'posts:read', resource: `${server.issuer}/api/posts` };
    const { access_token: jwt, id_token } = await obtainTokens(server, client, person, { ...posts, scope: 'openid posts:read' }, posts);
    const { access_token: own } = await clientCredentials(server, client, 'api');
    const { privateKey } = await generateKeyPair('ES256');
    const forged = await new SignJWT({ sub: person.id, client_id: client.client_id }).setProtectedHeader({ alg: 'ES256' }).sign(privateKey);
    for (const token of [jwt, String(id_token), own, forged, reaching.refreshToken, 'x', 'a\0b', '\u202e', ' ', 'x'.repeat(20_000)])
      await refused('invalid_request', { token });
  });

  it('with a token that is bound to a key, or a proof that would bind one', async () => {
    const bound = await createReaching(server, upstream);
    await server.sql(`update token set payload = payload || '{"jkt":"thumbprint"}' where account_id = $1 and kind = 'AccessToken'`, [
      bound.person.id,
    ]);
    await refused('invalid_request', { client: bound.client, token: bound.accessToken });
    const { error_description } = await refused('invalid_request', { headers: { dpop: 'a.b.c' } });
    assert.match(String(error_description), /DPoP/);
  });

  it('for scopes that the user has not allowed, or that the provider does not have', async () => {
    for (const scope of [
      'far:notes.write',
      'far:notes.read far:notes.write',
      'far:nothing',
      'near:files.read',
      'openid',
      'notes.read',
      'far:',
      'constructor',
    ])
      await refused('invalid_scope', { parameters: { scope } });
    for (const scope of ['', ' ', '"', 'far:notes.read\0', 'far:notes.read  far:notes.read']) {
      const response = await exchange(server, reaching.client, reaching.accessToken, { scope });
      assert.equal(response.status === 200, scope === '', scope);
    }
    const none = await obtainTokens(server, reaching.client, reaching.person, { scope: 'openid' });
    await refused('invalid_scope', { token: none.access_token });
  });

  it('for an unknown provider, in any spelling', async () => {
    for (const audience of ['FAR', 'far ', 'nobody', 'near', server.issuer, '__proto__', '../far', 'far\u202e'])
      await refused('invalid_target', { parameters: { audience } });
    for (const audience of ['', 'far\0', 'f'.repeat(20_000)]) await refused('invalid_request', { parameters: { audience } });
    await server.sql(`update upstream_provider set disabled_at = now() where id = 'far'`);
    await refused('invalid_target');
    await server.sql(`update upstream_provider set disabled_at = null where id = 'far'`);
  });

  it('with parameters that are not standard or not supported', async () => {
    const kind = (name: string) => `urn:ietf:params:oauth:token-type:${name}`;
    const wrong: Parameters[] = [
      ...['subject_token', 'subject_token_type', 'audience'].map((name) => ({ [name]: undefined })),
      ...['refresh_token', 'id_token', 'jwt', 'saml2'].map((name) => ({ subject_token_type: kind(name) })),
      { subject_token_type: 'access_token' },
      ...['refresh_token', 'id_token', 'jwt'].map((name) => ({ requested_token_type: kind(name) })),
      { actor_token: reaching.accessToken, actor_token_type: ACCESS_TOKEN },
      { actor_token_type: ACCESS_TOKEN },
      { resource: 'https://far.example/api' },
      { refused_token: 'x'.repeat(20_000) },
      { refused_token: 'a\0' },
      ...['subject_token', 'subject_token_type', 'requested_token_type'].map((name) => ({ [name]: [ACCESS_TOKEN, ACCESS_TOKEN] })),
      { audience: ['far', 'far'] },
      { audience: ['far', 'near'] },
      { scope: ['far:notes.read', 'far:notes.read'] },
      { refused_token: ['a', 'b'] },
      { resource: ['a', 'b'] },
    ];
    for (const parameters of wrong) await refused('invalid_request', { parameters });
  });

  it('for a user without an account there', async () => {
    const { client, person, accessToken: token } = await createReaching(server, upstream);
    await server.database.change(endIdentity(person.id, 'far'));
    const { interaction_uri } = await refused('interaction_required', { client, token });
    assert.equal(interaction_uri, `${server.issuer}/account/links/far/connect?client_id=${client.client_id}`);
  });

  it('above the rate that any client needs', async () => {
    const { client, accessToken: token } = await createReaching(server, upstream);
    assert.equal((await exchange(server, client, token)).status, 200);
    await server.sql('update rate_limit set points = 600');
    const response = await exchange(server, client, token);
    assert.ok(Number(response.headers.get('retry-after')) > 0);
    await assertRefused(response, 429, 'too_many_attempts');
    await server.sql('delete from rate_limit');
    assert.equal((await exchange(server, client, token)).status, 200);
  });

  it('without a token in the log', () => {
    const log = server.logLines().join('');
    for (const token of [reaching.accessToken, reaching.refreshToken]) assert.ok(!log.includes(token));
    assert.ok(log.includes('invalid_target'));
  });
});
