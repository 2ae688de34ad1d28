import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { authorizePath, introspect, obtainTokens, pkce, redeem, refresh, type TestClient, type Tokens } from '../support/flow.ts';
import { assertRefused } from '../support/refusals.ts';
import { setUses } from '../support/second-use.ts';
import { countRows, unchanged } from '../support/storage.ts';

describe('Refresh token (RFC 6749 section 6, RFC 9700 section 4.14)', () => {
  let server: TestServer;
  let client: TestClient;
  let person: { email: string; password: string };
  before(async () => {
    server = await startTestServer();
    client = await server.createClient();
    person = await server.createPerson();
  });
  after(() => server.close());

  const next = async (token: string | undefined, more: Record<string, string> = {}) => {
    const response = await refresh(server, client, String(token), more);
    const body = await response.json();
    assert.equal(response.status, 200, JSON.stringify(body));
    return body as Tokens;
  };
  const active = async (token: string | undefined) => (await introspect(server, client, String(token)))['active'];

  it('is replaced at every use, which ends the used one', async () => {
    const first = await obtainTokens(server, client, person);
    const second = await next(first.refresh_token);
    const third = await next(second.refresh_token);
    assert.equal(new Set([first.refresh_token, second.refresh_token, third.refresh_token]).size, 3);
    assert.equal(await active(first.refresh_token), false);
    assert.equal(await active(second.refresh_token), false);
    assert.equal(await active(third.refresh_token), true);
  });

  it('ends its family when it is used after the grace window; the next authorization asks for nothing and works', async () => {
    const client = await server.createClient();
    const first = await obtainTokens(server, client, person);
    const second = (await (await refresh(server, client, String(first.refresh_token))).json()) as Tokens;
    await setUses(server, 11);

    await assertRefused(await refresh(server, client, String(first.refresh_token)), 400, 'invalid_grant');

    for (const token of [first.access_token, second.access_token, String(second.refresh_token)])
      assert.deepEqual(await introspect(server, client, token), { active: false });
    await assertRefused(await refresh(server, client, String(second.refresh_token)), 400, 'invalid_grant');
    assert.equal(await countRows(server, 'token where client_id = $1', [client.client_id]), 0);
    assert.equal(await countRows(server, 'grant_record where client_id = $1', [client.client_id]), 1, 'what was allowed stays');

    const { code_verifier, ...challenge } = pkce();
    const answer = (await first.person.open(authorizePath(client, challenge))).url.searchParams;
    const redeemed = await redeem(server, client, { code: String(answer.get('code')), code_verifier, redirect_uri: client.redirect_uri });
    assert.equal(redeemed.status, 200, await redeemed.text());
  });

  it('is refused to another client, and its own client can still use it', async () => {
    const tokens = await obtainTokens(server, client, person);
    const others = [
      await server.createClient(),
      { ...(await server.createClient({ token_endpoint_auth_method: 'none' })), client_secret: undefined },
    ];
    for (const other of others)
      await assertRefused(await unchanged(server, () => refresh(server, other, String(tokens.refresh_token))), 400, 'invalid_grant');
    await next(tokens.refresh_token);
  });

  it('is not used up by a wider scope, which is refused; a narrower one is granted', async () => {
    const tokens = await obtainTokens(server, client, person, { scope: 'openid profile' });
    const wider = await unchanged(server, () => refresh(server, client, String(tokens.refresh_token), { scope: 'openid profile email' }));
    await assertRefused(wider, 400, 'invalid_scope');
    const narrower = await next(tokens.refresh_token, { scope: 'openid' });
    assert.equal(narrower.scope, 'openid');
    assert.equal((await introspect(server, client, narrower.access_token))['scope'], 'openid');
    // The granted scope stays the limit for later refreshes (RFC 6749 section 6).
    assert.equal((await next(narrower.refresh_token)).scope, 'openid profile');
  });

  it('is not used up by an unknown or ungranted resource, which is refused', async () => {
    const tokens = await obtainTokens(server, client, person);
    for (const resource of ['https://elsewhere.example/', `${server.issuer}/api/posts`, 'not a uri', `${server.issuer}/api/posts#x`])
      await assertRefused(
        await unchanged(server, () => refresh(server, client, String(tokens.refresh_token), { resource })),
        400,
        'invalid_target',
      );
    await next(tokens.refresh_token);
  });

  it('is not an access token, a code or invented text', async () => {
    const tokens = await obtainTokens(server, client, person);
    for (const token of [tokens.access_token, 'made-up', `${tokens.refresh_token}x`])
      await assertRefused(await unchanged(server, () => refresh(server, client, token)), 400, 'invalid_grant');
    await next(tokens.refresh_token);
  });

  it("expires by the database's clock", async () => {
    const tokens = await obtainTokens(server, client, person);
    await server.sql(`update token set expires_at = now() where kind = 'RefreshToken'`);
    await assertRefused(await unchanged(server, () => refresh(server, client, String(tokens.refresh_token))), 400, 'invalid_grant');
  });

  it('does not outlive the grant in any chain of refreshes', async () => {
    const tokens = await obtainTokens(server, client, person);
    await server.sql('update grant_record set expires_at = now()');
    await assertRefused(await unchanged(server, () => refresh(server, client, String(tokens.refresh_token))), 400, 'invalid_grant');
    assert.equal(await active(tokens.access_token), false);
  });

  it('is not issued to a client that did not register the grant type', async () => {
    const plain = await server.createClient({ grant_types: ['authorization_code'] });
    assert.equal((await obtainTokens(server, plain, person)).refresh_token, undefined);
  });

  it('is refused for a disabled user', async () => {
    const leaving = await server.createPerson();
    const tokens = await obtainTokens(server, client, leaving);
    await server.sql('update user_account set disabled_at = now() where id = $1', [leaving.id]);
    await assertRefused(await unchanged(server, () => refresh(server, client, String(tokens.refresh_token))), 400, 'invalid_grant');
  });
});
