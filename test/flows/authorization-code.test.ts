import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { callApi, createResourceServerClient, introspect, obtainTokens, post, refresh } from '../support/flow.ts';

describe('One token from registration to revocation', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  it('opens the API for its client, is introspected, and is refused after its revocation', async () => {
    const person = await server.createPerson();
    const registration = await fetch(`${server.issuer}/oauth/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        client_name: '산책',
        redirect_uris: ['https://walk.example/cb'],
        grant_types: ['authorization_code', 'refresh_token'],
      }),
    });
    assert.equal(registration.status, 201);
    const registered = (await registration.json()) as { client_id: string; client_secret: string };
    const client = { ...registered, redirect_uri: 'https://walk.example/cb' };

    const tokens = await obtainTokens(server, client, person, { scope: 'openid profile email api' });
    assert.equal(tokens.token_type, 'Bearer');
    assert.equal(tokens.access_token.split('.').length, 1, 'opaque');

    const me = await callApi(server, '/api/me', tokens.access_token);
    assert.equal(me.status, 200);
    assert.deepEqual(await me.json(), { id: person.id, username: person.username });

    const user = (await (await callApi(server, '/api/user', tokens.access_token)).json()) as Record<string, unknown>;
    assert.equal(user['sub'], person.id);
    assert.equal(user['email'], person.email);

    const seen = await introspect(server, await createResourceServerClient(server), tokens.access_token);
    assert.equal(seen['active'], true);
    assert.equal(seen['client_id'], client.client_id);

    const refreshed = await refresh(server, client, String(tokens.refresh_token));
    assert.equal(refreshed.status, 200);
    const next = (await refreshed.json()) as { access_token: string };

    assert.equal((await post(server, '/oauth/revoke', client, { token: next.access_token })).status, 200);
    const after = await callApi(server, '/api/me', next.access_token);
    assert.equal(after.status, 401);
    assert.match(after.headers.get('www-authenticate') ?? '', /error="invalid_token"/);
  });
});
