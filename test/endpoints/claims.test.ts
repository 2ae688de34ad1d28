import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { decodeJwt } from 'jose';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { authorizePath, callApi, obtainTokens, pkce, refresh, type TestClient, type Tokens } from '../support/flow.ts';
import { Person } from '../support/person.ts';
import { leadsTo } from '../support/refusals.ts';

/** What a client learns about a user: OpenID Connect Core sections 3.1.3.6, 5.4 and 5.5. */
describe('Claims', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  const asking = (claims: object) => ({ scope: 'openid', claims: JSON.stringify(claims) });
  const has = (token: string | undefined, ...names: string[]) => {
    const claims = decodeJwt(String(token));
    return names.filter((name) => name in claims);
  };
  const userinfo = async (token: string) => (await (await callApi(server, '/oauth/userinfo', token)).json()) as Record<string, unknown>;

  it('of granted scopes are in the ID token and at userinfo, also after a refresh; others are not', async () => {
    const client = await server.createClient();
    const tokens = await obtainTokens(server, client, await server.createPerson(), { scope: 'openid profile email' });
    const renewed = (await (await refresh(server, client, String(tokens.refresh_token))).json()) as Tokens;
    for (const { id_token, access_token } of [tokens, renewed]) {
      const told = await userinfo(access_token);
      const { aud: _, exp: _exp, iat: _iat, iss: _iss, ...claims } = decodeJwt(String(id_token));
      for (const [name, value] of Object.entries(told)) assert.deepEqual(claims[name], value, name);
      assert.deepEqual(has(id_token, 'name', 'preferred_username', 'email', 'email_verified').length, 4);
    }
    const less = await obtainTokens(server, client, await server.createPerson(), { scope: 'openid' });
    assert.deepEqual(has(less.id_token, 'name', 'email'), []);
  });

  it('are left out of the ID token of a client that wants it minimal, except those it names', async () => {
    const client = await server.createClient({ id_token_claims: 'minimal' });
    const scope = 'openid profile email';
    const { id_token, access_token } = await obtainTokens(server, client, await server.createPerson(), { scope });
    assert.deepEqual(has(id_token, 'name', 'email'), []);
    assert.equal(typeof (await userinfo(access_token))['email'], 'string');
    const named = await obtainTokens(server, client, await server.createPerson(), {
      ...asking({ id_token: { email: { essential: true } } }),
      scope,
    });
    assert.deepEqual(has(named.id_token, 'name', 'email'), ['email']);
  });

  it('bind the ID token to the access token of the same response', async () => {
    const client = await server.createClient();
    for (const more of [{}, { resource: `${server.issuer}/api/posts`, scope: 'openid posts:read' }]) {
      const { id_token, access_token } = await obtainTokens(server, client, await server.createPerson(), more);
      const digest = createHash('sha256').update(access_token).digest();
      assert.equal(decodeJwt(String(id_token))['at_hash'], digest.subarray(0, 16).toString('base64url'));
    }
  });

  it('of the claims parameter appear where it names them, and no others do', async () => {
    const client = await server.createClient();
    const inToken = await obtainTokens(server, client, await server.createPerson(), asking({ id_token: { email: { essential: true } } }));
    assert.deepEqual(has(inToken.id_token, 'email', 'name'), ['email']);
    assert.equal('email' in (await userinfo(inToken.access_token)), false);
    const at = await obtainTokens(
      server,
      client,
      await server.createPerson(),
      asking({ userinfo: { preferred_username: null, nosuch: null } }),
    );
    assert.deepEqual(Object.keys(await userinfo(at.access_token)).sort(), ['preferred_username', 'sub']);
    assert.deepEqual(has(at.id_token, 'preferred_username'), []);
  });

  it('that are named one by one are shown to the user, asked for once, and withheld when the user denies', async () => {
    const [client, person] = await Promise.all([server.createClient(), server.createPerson()]);
    const { code_verifier: _, ...challenge } = pkce();
    const browser = new Person(server.issuer);
    const path = authorizePath(client, { ...challenge, ...asking({ id_token: { email: null } }) });
    const page = await (await browser.open(path)).submit(person);
    assert.match(page.html, /<span>Email<\/span><\/summary>/);
    assert.equal((await page.submit({ decision: 'deny' })).url.searchParams.get('error'), 'access_denied');
    assert.deepEqual(await server.sql('select 1 from grant_record where client_id = $1', [client.client_id]), []);
    assert(await (await browser.open(path)).submit({ decision: 'approve' }));
    const [{ claims } = {}] = await server.sql(`select payload->'openid'->'claims' as claims from grant_record where client_id = $1`, [
      client.client_id,
    ]);
    assert.deepEqual(claims, ['email']);
    assert(await isAnswered(browser, client, asking({ id_token: { email: null } })), 'what was allowed is not asked again');
    assert(!(await isAnswered(browser, client, asking({ id_token: { name: null } }))), 'what is new is');
  });

  const isAnswered = async (browser: Person, client: TestClient, parameters: Record<string, string>) => {
    const { code_verifier: _, ...challenge } = pkce();
    return (await browser.open(authorizePath(client, { ...challenge, ...parameters }))).url.searchParams.has('code');
  };

  it('by value are checked: another user is login_required, an unreachable acr is refused', async () => {
    const client = await server.createClient();
    const { person: browser, id_token } = await obtainTokens(server, client, await server.createPerson(), { scope: 'openid' });
    const ask = async (claims: object) => {
      const { code_verifier: _, ...challenge } = pkce();
      const response = await browser.request(authorizePath(client, { ...challenge, ...asking(claims), prompt: 'none' }));
      const heard = new URL(String(response.headers.get('location'))).searchParams;
      return heard.get('error') ?? (heard.has('code') ? 'code' : 'nothing');
    };
    assert.equal(await ask({ id_token: { sub: { value: 'another' } } }), 'login_required');
    assert.equal(await ask({ id_token: { sub: { value: decodeJwt(String(id_token)).sub } } }), 'code');
    const mfa = 'https://refeds.org/profile/mfa';
    for (const acr of [
      { essential: true, value: mfa },
      { essential: true, values: [mfa] },
    ])
      assert.notEqual(await ask({ id_token: { acr } }), 'code');
    assert.equal(await ask({ id_token: { acr: { essential: true, value: 'nosuch' } } }), 'unmet_authentication_requirements');
    assert.equal(await ask({ id_token: { acr: { values: [mfa] } } }), 'code', 'a wish is no demand');
  });

  it('that are no JSON object are invalid_request before any page', async () => {
    const client = await server.createClient();
    const { code_verifier: _, ...challenge } = pkce();
    for (const claims of ['{"id_token":', '[]', '"email"', '{"id_token":[]}', 'null']) {
      const response = await new Person(server.issuer).request(authorizePath(client, { ...challenge, scope: 'openid', claims }));
      assert.equal(new URL(await leadsTo(response), server.issuer).searchParams.get('error'), 'invalid_request', claims);
    }
  });
});
