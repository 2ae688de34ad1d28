import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createProofKey, type ProofKey } from '../support/dpop.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import {
  callApi,
  createResourceServerClient,
  introspect,
  obtainCode,
  obtainTokens,
  pkce,
  post,
  redeem,
  refresh,
  type TestClient,
  type Tokens,
} from '../support/flow.ts';
import { assertRefused } from '../support/refusals.ts';
import { holdUses, setUses } from '../support/second-use.ts';
import { countRows, unchanged } from '../support/storage.ts';

describe('Authorization code at the token endpoint (RFC 6749 section 4.1.3)', () => {
  let server: TestServer;
  let client: TestClient;
  let person: { email: string; password: string };
  before(async () => {
    server = await startTestServer();
    client = await server.createClient({ redirect_uris: ['https://client.example/callback', 'https://client.example/second'] });
    person = await server.createPerson();
  });
  after(() => server.close());

  it('is refused to another client with any authentication, and its own client can still redeem it', async () => {
    const issued = await obtainCode(server, client, person);
    const others = [
      await server.createClient(),
      { ...(await server.createClient({ token_endpoint_auth_method: 'none' })), client_secret: undefined },
    ];
    for (const other of others) await assertRefused(await unchanged(server, () => redeem(server, other, issued)), 400, 'invalid_grant');
    assert.equal((await redeem(server, client, issued)).status, 200);
  });

  it('is refused without the client secret, or with a wrong one', async () => {
    const { person: _, ...issued } = await obtainCode(server, client, person);
    await unchanged(server, async () => {
      await assertRefused(await redeem(server, { ...client, client_secret: undefined }, issued), 401, 'invalid_client');
      await assertRefused(await redeem(server, { ...client, client_secret: 'guess' }, issued), 401, 'invalid_client');
      await assertRefused(
        await post(server, '/oauth/token', undefined, { grant_type: 'authorization_code', ...issued }),
        400,
        'invalid_request',
      );
    });
    assert.equal((await redeem(server, client, issued)).status, 200);
  });

  it('is refused with another redirect URI, even a registered one', async () => {
    const issued = await obtainCode(server, client, person);
    await unchanged(server, async () => {
      await assertRefused(await redeem(server, client, { ...issued, redirect_uri: 'https://client.example/second' }), 400, 'invalid_grant');
      const { code, code_verifier } = issued;
      const without = await post(server, '/oauth/token', client, { grant_type: 'authorization_code', code, code_verifier });
      await assertRefused(without, 400, 'invalid_request');
    });
    assert.equal((await redeem(server, client, issued)).status, 200);
  });

  it('is refused at a second use within a second by its own client, which ends nothing', async () => {
    const issued = await obtainCode(server, client, person);
    const tokens = (await (await redeem(server, client, issued)).json()) as Tokens;
    await holdUses(server);
    for (let time = 0; time < 2; time++)
      await assertRefused(await unchanged(server, () => redeem(server, client, issued)), 400, 'invalid_grant');
    assert.equal((await introspect(server, client, tokens.access_token))['active'], true);
    assert.equal((await refresh(server, client, String(tokens.refresh_token))).status, 200);
  });

  it('ends its tokens at a second use with any error; an error before the first use ends nothing', async () => {
    const strangers = [
      await server.createClient(),
      { ...(await server.createClient({ token_endpoint_auth_method: 'none' })), client_secret: undefined },
    ];
    const wrongs: ((issued: Awaited<ReturnType<typeof obtainCode>>) => Promise<Response>)[] = [
      (issued) => redeem(server, client, { ...issued, code_verifier: pkce().code_verifier }),
      (issued) => redeem(server, client, { ...issued, redirect_uri: 'https://client.example/second' }),
      ...strangers.map((stranger) => (issued: Parameters<typeof redeem>[2]) => redeem(server, stranger as TestClient, issued)),
    ];
    const elsewhere = await obtainTokens(server, client, person);
    for (const wrong of wrongs) {
      const issued = await obtainCode(server, client, person);
      await assertRefused(await unchanged(server, () => wrong(issued)), 400, 'invalid_grant');
      const tokens = (await (await redeem(server, client, issued)).json()) as Tokens;
      await holdUses(server);
      // A caller without client authentication learns nothing and ends nothing.
      await unchanged(server, async () =>
        assertRefused(await redeem(server, { ...client, client_secret: 'guess' }, issued), 401, 'invalid_client'),
      );
      await assertRefused(await wrong(issued), 400, 'invalid_grant');
      for (const token of [tokens.access_token, String(tokens.refresh_token)])
        assert.deepEqual(await introspect(server, client, token), { active: false });
    }
    assert.equal((await refresh(server, client, String(elsewhere.refresh_token))).status, 200, 'another sign-in of the same person');
  });

  it('ends its tokens at a second use with another DPoP key than it is bound to (RFC 9449 section 10)', async () => {
    const [key, other] = [await createProofKey(), await createProofKey()];
    const { person: _, ...issued } = await obtainCode(server, client, person, { dpop_jkt: key.thumbprint });
    const send = async ({ proof }: ProofKey) =>
      post(server, '/oauth/token', client, { grant_type: 'authorization_code', ...issued }, await proof(server));
    const tokens = (await (await send(key)).json()) as Tokens;
    await holdUses(server);
    await assertRefused(await send(key), 400, 'invalid_grant');
    assert.equal((await introspect(server, client, tokens.access_token))['active'], true);
    await assertRefused(await send(other), 400, 'invalid_grant');
    assert.equal((await introspect(server, client, tokens.access_token))['active'], false);
  });

  it('ends every token at a second use a second later, including refreshed ones (RFC 6749 section 4.1.2)', async () => {
    const resourceServer = await createResourceServerClient(server);
    const client = await server.createClient();
    const issued = await obtainCode(server, client, person, { scope: 'openid profile offline_access', prompt: 'consent' });
    const first = (await (await redeem(server, client, issued)).json()) as Tokens;
    const second = (await (await refresh(server, client, String(first.refresh_token))).json()) as Tokens;
    const tokens = [first.access_token, second.access_token, String(second.refresh_token)];
    for (const token of tokens) assert.equal((await introspect(server, client, token))['active'], true);

    await setUses(server, 1.1);
    await assertRefused(await redeem(server, client, issued), 400, 'invalid_grant');

    for (const token of tokens) {
      assert.deepEqual(await introspect(server, client, token), { active: false });
      assert.deepEqual(await introspect(server, resourceServer, token), { active: false });
    }
    assert.equal((await callApi(server, '/api/me', first.access_token)).status, 401);
    await assertRefused(await refresh(server, client, String(second.refresh_token)), 400, 'invalid_grant');
    for (const table of ['token', 'authorization_code'])
      assert.equal(await countRows(server, `${table} where client_id = $1`, [client.client_id]), 0, table);
    assert.equal(await countRows(server, 'grant_record where client_id = $1', [client.client_id]), 1, 'what was allowed stays');
  });

  it("expires within a minute, by the database's clock", async () => {
    const issued = await obtainCode(server, client, person);
    const [row] = await server.sql('select extract(epoch from max(expires_at) - now())::float as life from authorization_code');
    assert(Number(row?.['life']) <= 60 && Number(row?.['life']) > 0);
    await server.sql('update authorization_code set expires_at = now()');
    await assertRefused(await unchanged(server, () => redeem(server, client, issued)), 400, 'invalid_grant');
  });

  it('is refused when it was never issued', async () => {
    const { code_verifier, redirect_uri } = await obtainCode(server, client, person);
    for (const code of ['made-up', 'x'.repeat(43), 'a.b.c', '0'])
      await assertRefused(
        await unchanged(server, () => redeem(server, client, { code, code_verifier, redirect_uri })),
        400,
        'invalid_grant',
      );
  });

  it('gets a response that no cache stores, with the tokens and no private member', async () => {
    const response = await redeem(server, client, await obtainCode(server, client, person));
    assert.match(String(response.headers.get('cache-control')), /no-store/);
    assert.equal(response.headers.get('set-cookie'), null);
    const body = (await response.json()) as Record<string, unknown>;
    assert.deepEqual(Object.keys(body).sort(), ['access_token', 'expires_in', 'id_token', 'refresh_token', 'scope', 'token_type']);
  });
});
