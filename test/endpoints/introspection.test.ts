import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { endAccount } from '../../src/oauth/store/grants.ts';
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
import { manage, register } from '../support/registration.ts';

const INACTIVE = { active: false };

describe('Who may introspect (RFC 7662 sections 2.1 and 4)', () => {
  let server: TestServer;
  let client: TestClient;
  let resourceServer: TestClient;
  let person: { id: string; email: string; password: string; username: string };
  before(async () => {
    server = await startTestServer();
    client = await server.createClient();
    resourceServer = await createResourceServerClient(server);
    person = await server.createPerson();
  });
  after(() => server.close());

  it('a client may introspect its own tokens', async () => {
    const tokens = await obtainTokens(server, client, person, { scope: 'openid profile' });
    const access = await introspect(server, client, tokens.access_token);
    assert.equal(access['active'], true);
    assert.equal(access['client_id'], client.client_id);
    assert.equal(access['sub'], person.id);
    assert.equal(access['scope'], 'openid profile');
    assert.equal(access['iss'], server.issuer);
    assert.equal(access['token_type'], 'Bearer');
    assert(Number(access['exp']) > Number(access['iat']));
    assert.equal(access['username'], undefined, 'who the person is belongs to the API, not to the client');
    const refreshToken = await introspect(server, client, String(tokens.refresh_token));
    assert.equal(refreshToken['active'], true);
    assert.equal(refreshToken['token_type'], undefined);
    const own = await introspect(server, client, (await clientCredentials(server, client, 'api')).access_token);
    assert.equal(own['active'], true);
    assert.equal(own['sub'], client.client_id, 'as in a JWT: the token is about the client');
  });

  it('an API never sees a refresh token as active, with any hint and by either way; its own client does', async () => {
    const { refresh_token } = await obtainTokens(server, client, person);
    const token = String(refresh_token);
    // A header that the library ignores and that the short way does not handle.
    for (const token_type_hint of [undefined, 'access_token', 'refresh_token', 'made-up'])
      for (const headers of [{}, { dpop: 'x' }] as Record<string, string>[]) {
        const form = { token, ...(token_type_hint && { token_type_hint }) };
        const answer = async (who: TestClient) => (await post(server, '/oauth/introspect', who, form, headers)).json();
        assert.deepEqual(await answer(resourceServer), INACTIVE);
        assert.equal(((await answer(client)) as { active: boolean }).active, true);
      }
  });

  it("the server's own API sees tokens without another audience, and the claims that their scopes allow", async () => {
    const tokens = await obtainTokens(server, client, person, { scope: 'openid profile' });
    const seen = await introspect(server, resourceServer, tokens.access_token);
    assert.equal(seen['active'], true);
    assert.equal(seen['username'], person.username);
    assert.equal(seen['email'], undefined, 'the scope email was not asked for');
  });

  it('a client of another audience, another client, and a self-registered client see the token as inactive', async () => {
    const tokens = await obtainTokens(server, client, person);
    const own = await clientCredentials(server, client);
    const posts = await server.createClient({
      introspects: `${server.issuer}/api/posts`,
      grant_types: [],
      response_types: [],
      redirect_uris: [],
    });
    const strangers = [await server.createClient(), posts, await register(server)];
    for (const stranger of strangers)
      for (const token of [tokens.access_token, String(tokens.refresh_token), own.access_token])
        assert.deepEqual(await introspect(server, stranger, token), INACTIVE);
    assert.equal((await introspect(server, client, tokens.access_token))['active'], true);
  });

  it('a public client sees even its own token as inactive', async () => {
    const publicClient = { ...(await server.createClient({ token_endpoint_auth_method: 'none' })), client_secret: undefined };
    const tokens = await obtainTokens(server, publicClient, person);
    for (const token of [tokens.access_token, String(tokens.refresh_token)])
      assert.deepEqual(await introspect(server, publicClient, token), INACTIVE);
    assert.equal((await callApi(server, '/api/me', tokens.access_token)).status, 200);
  });

  it('a caller without client authentication learns nothing', async () => {
    const { access_token: token } = await obtainTokens(server, client, person);
    await assertRefused(await post(server, '/oauth/introspect', { ...client, client_secret: 'guess' }, { token }), 401, 'invalid_client');
    await assertRefused(await post(server, '/oauth/introspect', { ...client, client_secret: undefined }, { token }), 401, 'invalid_client');
    await assertRefused(await post(server, '/oauth/introspect', undefined, { token }), 400, 'invalid_request');
    const bearer = await post(server, '/oauth/introspect', undefined, { token }, { authorization: `Bearer ${token}` });
    await assertRefused(bearer, 400, 'invalid_request');
  });

  it('an unknown token and a forbidden one get the same answer', async () => {
    const { access_token } = await obtainTokens(server, client, person);
    const stranger = await server.createClient();
    const headers = (response: Response) =>
      Object.fromEntries([...response.headers].filter(([name]) => !['date', 'x-request-id'].includes(name)));
    const [unseen, unknown] = [
      await post(server, '/oauth/introspect', stranger, { token: access_token }),
      await post(server, '/oauth/introspect', stranger, { token: 'x'.repeat(43) }),
    ];
    assert.deepEqual([unseen.status, headers(unseen), await unseen.json()], [unknown.status, headers(unknown), await unknown.json()]);
    assert.match(String(unseen.headers.get('cache-control')), /no-store/);
  });

  it('a wrong hint does not hide a token (RFC 7662 section 2.1)', async () => {
    const tokens = await obtainTokens(server, client, person);
    for (const token_type_hint of ['refresh_token', 'access_token', 'made-up'])
      for (const token of [tokens.access_token, String(tokens.refresh_token)]) {
        const response = await post(server, '/oauth/introspect', client, { token, token_type_hint });
        assert.equal(((await response.json()) as { active: boolean }).active, true);
      }
  });

  it('a request without a token, or with two, is refused', async () => {
    await assertRefused(await post(server, '/oauth/introspect', client, {}), 400, 'invalid_request');
    await assertRefused(await post(server, '/oauth/introspect', client, { token: ['a', 'b'] }), 400, 'invalid_request');
  });
});

describe('Inactive tokens (RFC 7662 section 2.2)', () => {
  let server: TestServer;
  let client: TestClient;
  let resourceServer: TestClient;
  before(async () => {
    server = await startTestServer();
    client = await server.createClient();
    resourceServer = await createResourceServerClient(server);
  });
  after(() => server.close());

  /** Creates two tokens of a new user. Both are active for permitted callers before an event, and neither is after it. */
  async function endedBy(event: (personId: string) => Promise<unknown>, who: TestClient = client) {
    const person = await server.createPerson();
    const tokens = await obtainTokens(server, who, person);
    const values = [tokens.access_token, String(tokens.refresh_token)];
    const seen: [TestClient, string][] = [
      [resourceServer, tokens.access_token],
      [who, String(tokens.refresh_token)],
    ];
    for (const [caller, token] of seen) assert.equal((await introspect(server, caller, token))['active'], true);
    await event(person.id);
    for (const [caller, token] of seen)
      if (caller === resourceServer || !(await isGone(who))) assert.deepEqual(await introspect(server, caller, token), INACTIVE);
    assert.equal((await callApi(server, '/api/me', tokens.access_token)).status, 401);
    return { values, tokens };
  }

  const isGone = async ({ client_id }: TestClient) => !(await server.sql('select 1 from client where id = $1', [client_id])).length;

  it('include an expired token', async () => {
    const { values } = await endedBy(() => server.sql('update token set expires_at = now()'));
    for (const token of values) assert.deepEqual(await introspect(server, client, token), INACTIVE);
  });

  it('include a token whose grant has ended or expired', async () => {
    await endedBy((id) => server.sql('delete from grant_record where account_id = $1', [id]));
    await endedBy((id) => server.sql('update grant_record set expires_at = now() where account_id = $1', [id]));
  });

  it('include a token whose session has ended, except for offline access', async () => {
    await endedBy((id) => server.sql('delete from session where account_id = $1', [id]));
    const person = await server.createPerson();
    const offline = await obtainTokens(server, client, person, { scope: 'openid profile offline_access', prompt: 'consent' });
    await server.sql('delete from session where account_id = $1', [person.id]);
    assert.equal((await introspect(server, resourceServer, offline.access_token))['active'], true);
  });

  it('include a token of a disabled user, for an API that serves users', async () => {
    const person = await server.createPerson();
    const tokens = await obtainTokens(server, client, person);
    await server.sql('update user_account set disabled_at = now() where id = $1', [person.id]);
    for (const token of [tokens.access_token, String(tokens.refresh_token)])
      assert.deepEqual(await introspect(server, resourceServer, token), INACTIVE);
    assert.equal((await callApi(server, '/api/me', tokens.access_token)).status, 401);
  });

  it('include a token of a user whose access was ended, for every caller', async () => {
    const { values } = await endedBy((id) => server.database.query(endAccount(id)));
    for (const token of values) assert.deepEqual(await introspect(server, client, token), INACTIVE);
  });

  it('include a token of a deleted user', async () => {
    await endedBy((id) => server.sql('delete from user_account where id = $1', [id]));
  });

  it('include a token of a client that deleted itself (RFC 7592 section 2.3), at once and without an error', async () => {
    const registered = await register(server);
    const own = (await clientCredentials(server, registered)).access_token;
    await endedBy(async () => assert.equal((await manage(server, registered, 'DELETE')).status, 204), registered);
    assert.deepEqual(await introspect(server, resourceServer, own), INACTIVE);
  });

  it('include a used refresh token', async () => {
    const tokens = await obtainTokens(server, client, await server.createPerson());
    assert.equal((await refresh(server, client, String(tokens.refresh_token))).status, 200);
    assert.deepEqual(await introspect(server, client, String(tokens.refresh_token)), INACTIVE);
    assert.equal((await introspect(server, client, tokens.access_token))['active'], true);
  });

  it('include text that never was a token', async () => {
    const { person: browser } = await obtainTokens(server, client, await server.createPerson());
    const cookie = String(browser.cookies().find((pair) => pair.startsWith('session='))).slice('session='.length);
    const [grant] = await server.sql('select id from grant_record limit 1');
    for (const token of ['x', '0', 'null', '{}', 'a.b.c', client.client_id, String(client.client_secret), cookie, String(grant?.['id'])])
      for (const who of [client, resourceServer]) {
        const response = await post(server, '/oauth/introspect', who, { token });
        const body = (await response.json()) as Record<string, unknown>;
        if (response.status === 200) assert.deepEqual(body, INACTIVE);
        else assert.equal(response.status, 400, JSON.stringify(body));
      }
  });
});
