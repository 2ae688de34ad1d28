import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { REDIRECT_URI, startTestServer, type TestServer } from '../support/environment.ts';
import { approve, authorizePath, pkce, post, redeem, type TestClient } from '../support/flow.ts';
import { Person } from '../support/person.ts';
import { assertRefused, assertRefusedHere } from '../support/refusals.ts';
import { countRows, unchanged } from '../support/storage.ts';

describe('Pushed authorization requests (RFC 9126)', () => {
  let server: TestServer;
  let client: TestClient;
  let person: { email: string; password: string };
  before(async () => {
    server = await startTestServer();
    client = await server.createClient();
    person = await server.createPerson();
  });
  after(() => server.close());

  const { code_verifier, ...challenge } = pkce();
  const request = { response_type: 'code', redirect_uri: REDIRECT_URI, scope: 'openid profile', state: 'pushed', ...challenge };
  const push = (who: TestClient | undefined = client, more: Record<string, string | string[]> = {}) =>
    post(server, '/oauth/par', who, { ...(who?.client_secret ? { client_id: who.client_id } : {}), ...request, ...more });
  const pushed = async () => {
    const response = await push();
    const body = await response.json();
    assert.equal(response.status, 201, JSON.stringify(body));
    return body as { request_uri: string; expires_in: number };
  };
  const withUri = (request_uri: string, client_id = client.client_id) =>
    `/oauth/authorize?${new URLSearchParams({ client_id, request_uri })}`;

  it('lead to a code, and parameters that the browser adds do not count', async () => {
    const { request_uri, expires_in } = await pushed();
    assert(expires_in > 0 && expires_in <= 60);
    const path = `${withUri(request_uri)}&scope=restricted&state=swapped&redirect_uri=https%3A%2F%2Fevil.example%2F`;
    const browser = new Person(server.issuer);
    const answer = await approve(server, browser, person, path);
    assert.equal(answer.get('state'), 'pushed');
    const issued = { code: String(answer.get('code')), code_verifier, redirect_uri: REDIRECT_URI };
    const tokens = (await (await redeem(server, client, issued)).json()) as { scope: string };
    assert.equal(tokens.scope, 'openid profile');
  });

  it('give a request_uri for one code', async () => {
    const { request_uri } = await pushed();
    await approve(server, new Person(server.issuer), person, withUri(request_uri));
    const codes = await countRows(server, 'authorization_code');
    const again = new Person(server.issuer);
    const page = await again.open(withUri(request_uri));
    assert.equal(page.response.status, 400);
    assert.equal(page.url.origin, server.issuer);
    assert.equal(await countRows(server, 'authorization_code'), codes);
  });

  it('give a request_uri that only the pushing client can use', async () => {
    const { request_uri } = await pushed();
    const other = await server.createClient();
    await assertRefusedHere(await unchanged(server, () => new Person(server.issuer).request(withUri(request_uri, other.client_id))));
    await approve(server, new Person(server.issuer), person, withUri(request_uri));
  });

  it("give a request_uri that expires, by the database's clock", async () => {
    const { request_uri } = await pushed();
    const [row] = await server.sql(
      `select extract(epoch from max(expires_at) - now())::float as life from protocol_record where kind = 'PushedAuthorizationRequest'`,
    );
    assert(Number(row?.['life']) <= 60);
    await server.sql(`update protocol_record set expires_at = now() where kind = 'PushedAuthorizationRequest'`);
    await assertRefusedHere(await unchanged(server, () => new Person(server.issuer).request(withUri(request_uri))));
  });

  it('are refused by a request_uri that was never issued, or that points elsewhere', async () => {
    for (const uri of ['urn:ietf:params:oauth:request_uri:made-up', 'https://evil.example/request', 'http://127.0.0.1/', 'x'])
      await assertRefusedHere(await unchanged(server, () => new Person(server.issuer).request(withUri(uri))));
  });

  it('require client authentication', async () => {
    await unchanged(server, async () => {
      await assertRefused(await push({ ...client, client_secret: 'guess' }), 401, 'invalid_client');
      await assertRefused(await push({ ...client, client_secret: undefined }), 401, 'invalid_client');
      await assertRefused(await push({ client_id: 'nobody', redirect_uri: REDIRECT_URI }), 401, 'invalid_client');
    });
  });

  it('are refused for the reasons of the authorization endpoint', async () => {
    const wrong: Record<string, string | string[]>[] = [
      { redirect_uri: 'https://evil.example/' },
      { redirect_uri: `${REDIRECT_URI}/` },
      { code_challenge: '' },
      { code_challenge_method: 'plain' },
      { response_type: 'token' },
      { request_uri: 'urn:ietf:params:oauth:request_uri:x' },
      { state: ['a', 'b'] },
    ];
    for (const mistake of wrong) {
      const response = await unchanged(server, () => push(client, mistake));
      assert.equal(response.status, 400, JSON.stringify(mistake));
      assert.match(
        String(((await response.json()) as { error: string }).error),
        /^(invalid_request|invalid_redirect_uri|unsupported_response_type|request_uri_not_supported)$/,
      );
    }
  });

  it('are optional: an authorization request without pushing is accepted', async () => {
    const response = await new Person(server.issuer).request(authorizePath(client, challenge));
    assert.equal(response.status, 303);
  });
});
