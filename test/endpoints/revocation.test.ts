import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import {
  callApi,
  clientCredentials,
  createResourceServerClient,
  introspect,
  obtainTokens,
  post,
  refresh,
  type TestClient,
} from '../support/flow.ts';
import { assertRefused } from '../support/refusals.ts';
import { unchanged } from '../support/storage.ts';

describe('Token revocation (RFC 7009)', () => {
  let server: TestServer;
  let client: TestClient;
  let person: { email: string; password: string };
  before(async () => {
    server = await startTestServer();
    client = await server.createClient();
    person = await server.createPerson();
  });
  after(() => server.close());

  const revoke = (who: TestClient | undefined, token: string, more: Record<string, string> = {}) =>
    post(server, '/oauth/revoke', who, { token, ...more });

  it('stops an access token at /api/me', async () => {
    const { access_token } = await obtainTokens(server, client, person);
    assert.equal((await callApi(server, '/api/me', access_token)).status, 200);
    assert.equal((await revoke(client, access_token)).status, 200);
    assert.equal((await callApi(server, '/api/me', access_token)).status, 401);
    assert.deepEqual(await introspect(server, client, access_token), { active: false });
  });

  it('of a refresh token ends its access tokens too (section 2.1)', async () => {
    const tokens = await obtainTokens(server, client, person);
    const next = (await (await refresh(server, client, String(tokens.refresh_token))).json()) as typeof tokens;
    assert.equal((await revoke(client, String(next.refresh_token))).status, 200);
    for (const token of [tokens.access_token, next.access_token, String(next.refresh_token)])
      assert.deepEqual(await introspect(server, client, token), { active: false });
    await assertRefused(await refresh(server, client, String(next.refresh_token)), 400, 'invalid_grant');
    assert.equal((await callApi(server, '/api/me', next.access_token)).status, 401);
  });

  it('ends one sign-in: the user stays signed in to the same client elsewhere, and the consent remains', async () => {
    const one = await obtainTokens(server, client, person, { scope: 'openid profile email' });
    const elsewhere = await obtainTokens(server, client, person, { scope: 'openid profile' });
    for (const token of [one.refresh_token, one.access_token]) assert.equal((await revoke(client, String(token))).status, 200);
    assert.deepEqual(await introspect(server, client, one.access_token), { active: false });
    await assertRefused(await refresh(server, client, String(one.refresh_token)), 400, 'invalid_grant');
    assert.equal((await callApi(server, '/api/me', elsewhere.access_token)).status, 200);
    assert.equal((await refresh(server, client, String(elsewhere.refresh_token))).status, 200);
    const grants = await server.sql(
      'select payload from grant_record where client_id = $1 and account_id = (select id from user_account where email = $2)',
      [client.client_id, person.email],
    );
    assert.equal(grants.length, 1);
    assert.match(JSON.stringify(grants[0]), /openid profile email/);
  });

  it('for one user of a client does not affect other users', async () => {
    const other = await obtainTokens(server, client, await server.createPerson());
    const { refresh_token } = await obtainTokens(server, client, person);
    await revoke(client, String(refresh_token));
    assert.equal((await callApi(server, '/api/me', other.access_token)).status, 200);
    assert.equal((await refresh(server, client, String(other.refresh_token))).status, 200);
  });

  it("works for a client's own token", async () => {
    const { access_token } = await clientCredentials(server, client, 'api');
    assert.equal((await revoke(client, access_token)).status, 200);
    assert.equal((await callApi(server, '/api/data', access_token)).status, 401);
  });

  it("works for a public client's token", async () => {
    const publicClient = { ...(await server.createClient({ token_endpoint_auth_method: 'none' })), client_secret: undefined };
    const tokens = await obtainTokens(server, publicClient, person);
    assert.equal((await revoke(publicClient, String(tokens.refresh_token))).status, 200);
    assert.equal((await callApi(server, '/api/me', tokens.access_token)).status, 401);
  });

  it('of an unknown token is no error: it is already unusable (section 2.2)', async () => {
    for (const token of ['made-up', 'x'.repeat(43), '0']) assert.equal((await unchanged(server, () => revoke(client, token))).status, 200);
  });

  it('works with a wrong or unknown hint (section 2.1)', async () => {
    for (const token_type_hint of ['refresh_token', 'made-up']) {
      const { access_token } = await obtainTokens(server, client, person);
      assert.equal((await revoke(client, access_token, { token_type_hint })).status, 200);
      assert.equal((await callApi(server, '/api/me', access_token)).status, 401);
    }
  });

  it("of another client's token is refused and changes nothing, even for a client that may introspect it", async () => {
    const tokens = await obtainTokens(server, client, person);
    const others: TestClient[] = [
      await server.createClient(),
      { ...(await server.createClient({ token_endpoint_auth_method: 'none' })), client_secret: undefined },
      await createResourceServerClient(server),
    ];
    for (const other of others)
      for (const token of [tokens.access_token, String(tokens.refresh_token)]) {
        const response = await unchanged(server, () => revoke(other, token));
        assert.equal(response.status, 400);
        assert.equal(((await response.json()) as { error: string }).error, 'invalid_request');
      }
    assert.equal((await callApi(server, '/api/me', tokens.access_token)).status, 200);
    assert.equal((await refresh(server, client, String(tokens.refresh_token))).status, 200);
  });

  it('requires client authentication', async () => {
    const { access_token } = await obtainTokens(server, client, person);
    await unchanged(server, async () => {
      assert.equal((await revoke({ ...client, client_secret: 'guess' }, access_token)).status, 401);
      assert.equal((await revoke({ ...client, client_secret: undefined }, access_token)).status, 401);
      assert.equal((await revoke(undefined, access_token)).status, 400);
    });
    assert.equal((await callApi(server, '/api/me', access_token)).status, 200);
  });

  it('without a token, or with two, is refused', async () => {
    const { access_token } = await obtainTokens(server, client, person);
    await unchanged(server, async () => {
      assert.equal((await post(server, '/oauth/revoke', client, {})).status, 400);
      assert.equal((await post(server, '/oauth/revoke', client, { token: [access_token, access_token] })).status, 400);
    });
  });
});
