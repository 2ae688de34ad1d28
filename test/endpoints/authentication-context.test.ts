import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { addTotp, forgetSteps, totpCode } from '../support/factors.ts';
import {
  authorizePath,
  clientCredentials,
  createResourceServerClient,
  introspect,
  obtainTokens,
  pkce,
  redeem,
  refresh,
  type TestClient,
} from '../support/flow.ts';
import { Person } from '../support/person.ts';

const claimsOf = (jwt: string) => JSON.parse(Buffer.from(String(jwt.split('.')[1]), 'base64url').toString());

describe('The authentication context for an API (RFC 9470 section 6)', () => {
  let server: TestServer;
  let client: TestClient;
  let api: TestClient;
  before(async () => {
    server = await startTestServer();
    client = await server.createClient();
    api = await createResourceServerClient(server);
  });
  after(() => server.close());

  it('is in introspection as acr and auth_time, and does not change after a refresh', async () => {
    const tokens = await obtainTokens(server, client, await server.createPerson());
    const told = await introspect(server, api, tokens.access_token);
    assert.equal(told['acr'], 'https://refeds.org/profile/sfa');
    assert.equal(told['auth_time'], claimsOf(String(tokens.id_token)).auth_time);
    const again = (await (await refresh(server, client, String(tokens.refresh_token))).json()) as {
      access_token: string;
      id_token: string;
    };
    const { acr, auth_time } = await introspect(server, api, again.access_token);
    assert.deepEqual({ acr, auth_time }, { acr: told['acr'], auth_time: told['auth_time'] });
    assert.deepEqual(claimsOf(again.id_token).amr, ['pwd']);
  });

  it('is in a JWT access token (RFC 9068 section 2.2.1)', async () => {
    const resource = `${server.issuer}/api/posts`;
    const { access_token } = await obtainTokens(
      server,
      client,
      await server.createPerson(),
      { scope: 'openid posts:read', resource },
      { resource },
    );
    const { acr, auth_time } = claimsOf(access_token);
    assert.equal(acr, 'https://refeds.org/profile/sfa');
    assert.equal(typeof auth_time, 'number');
  });

  it('is stronger in the new token after a step-up, and unchanged in the old token', async () => {
    const credentials = await server.createPerson();
    const old = await obtainTokens(server, client, credentials);
    const { secret } = await addTotp(server, credentials);
    await forgetSteps(server, credentials.id);
    const { code_verifier, ...challenge } = pkce();
    const page = await old.person.open(authorizePath(client, { ...challenge, acr_values: 'https://refeds.org/profile/mfa' }));
    const { url } = await page.submit({ code: totpCode(secret) });
    const code = { code: String(url.searchParams.get('code')), code_verifier, redirect_uri: client.redirect_uri };
    const fresh = (await (await redeem(server, client, code)).json()) as { access_token: string };
    assert.equal((await introspect(server, api, fresh.access_token))['acr'], 'https://refeds.org/profile/mfa');
    assert.equal((await introspect(server, api, old.access_token))['acr'], 'https://refeds.org/profile/sfa');
  });

  it("is absent for a client's own token", async () => {
    const { access_token } = await clientCredentials(server, client, 'api');
    const told = await introspect(server, api, access_token);
    assert.equal(told['active'], true);
    assert(!('acr' in told) && !('auth_time' in told));
  });

  it("follows a client's default_acr_values; values that this server lacks are left out", async () => {
    const register = (body: object) =>
      fetch(`${server.issuer}/oauth/register`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    const unknown = await register({ redirect_uris: ['https://client.example/cb'], default_acr_values: ['urn:nobody:knows'] });
    assert.deepEqual(
      [unknown.status, ((await unknown.json()) as object & { default_acr_values?: string[] }).default_acr_values],
      [201, undefined],
    );
    const strict = await server.createClient({ default_acr_values: ['phr'] });
    const page = await new Person(server.issuer).open(authorizePath(strict, { ...pkce(), code_verifier: undefined }));
    assert.match((await page.submit(await server.createPerson())).html, /asks for a passkey, and you have none/);
  });
});
