import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import * as openid from 'openid-client';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { callApi, obtainTokens, refresh } from '../support/flow.ts';
import { ACCESS_TOKEN, createReaching, createServiceClient, EXCHANGE, exchange, link } from '../support/linked.ts';
import { addProvider, startUpstream, type TestUpstream } from '../support/upstream.ts';

describe('Token exchange (RFC 8693): a client reaches a provider for its user', () => {
  let server: TestServer;
  let upstream: TestUpstream;
  before(async () => {
    [server, upstream] = await Promise.all([startTestServer(), startUpstream()]);
    await addProvider(server, upstream, { services: ['notes.read', 'notes.write'] });
  });
  after(async () => {
    await Promise.all([server.close(), upstream.close()]);
  });
  beforeEach(() => {
    upstream.wishes = {};
    upstream.asked = [];
  });

  const events = (accountId: string) =>
    server.sql(`select * from audit_event where account_id = $1 and type = 'service_reached'`, [accountId]);
  const notes = (token: string) => fetch(`${upstream.issuer}/notes`, { headers: { authorization: `Bearer ${token}` } });

  it("gives a token that opens the provider's API, with its description", async () => {
    const { client, accessToken, person } = await createReaching(server, upstream);
    const response = await exchange(server, client, accessToken);
    const { access_token, ...rest } = await response.json();
    assert.equal(response.status, 200, JSON.stringify(rest));
    assert.equal(response.headers.get('cache-control'), 'no-store');
    assert.deepEqual(await (await notes(access_token)).json(), { notes: ['one', 'two'] });
    assert.ok(rest.expires_in > 3_590 && rest.expires_in <= 3_600);
    assert.deepEqual(rest, {
      issued_token_type: ACCESS_TOKEN,
      token_type: 'Bearer',
      expires_in: rest.expires_in,
      scope: 'openid notes.read',
    });
    const [event, ...more] = await events(person.id);
    assert.equal(more.length, 0);
    assert.deepEqual([event?.['client_id'], event?.['detail']], [client.client_id, { provider: 'far', scopes: ['far:notes.read'] }]);
    assert.ok(!JSON.stringify(event).includes(access_token));
  });

  it('works for a third-party client library', async () => {
    const { client, accessToken } = await createReaching(server, upstream);
    const options = { execute: [openid.allowInsecureRequests] };
    const auth = openid.ClientSecretBasic(client.client_secret);
    const config = await openid.discovery(new URL(server.issuer), client.client_id, undefined, auth, options);
    assert.ok(config.serverMetadata().grant_types_supported?.includes(EXCHANGE));
    const answer = await openid.genericGrantRequest(config, EXCHANGE, {
      subject_token: accessToken,
      subject_token_type: ACCESS_TOKEN,
      audience: 'far',
      scope: 'far:notes.read',
    });
    assert.equal((await notes(answer.access_token)).status, 200);
    assert.equal(answer['issued_token_type'], ACCESS_TOKEN);
  });

  it('returns the stored token again, without a request to the provider', async () => {
    const { client, accessToken } = await createReaching(server, upstream);
    const asked = upstream.asked.length;
    const tokens = await Promise.all([1, 2, 3].map(async () => (await (await exchange(server, client, accessToken)).json()).access_token));
    assert.equal(new Set(tokens).size, 1);
    assert.equal(upstream.asked.length, asked);
  });

  it("returns the access token of this server's own refresh", async () => {
    const { client, refreshToken } = await createReaching(server, upstream);
    const { access_token } = await (await refresh(server, client, refreshToken)).json();
    assert.equal((await exchange(server, client, access_token)).status, 200);
  });

  it("prefers the token that was given for the client to the sign-in's", async () => {
    const { client, person, accessToken, grantId } = await createReaching(server, upstream);
    const { tokens } = await link(server, upstream, { accountId: person.id, grantId, scopes: ['notes.read'] });
    assert.equal((await (await exchange(server, client, accessToken)).json()).access_token, tokens.accessToken);
  });

  it('never gives a token with more than the user allowed the client', async () => {
    const { client, person, accessToken, grantId } = await createReaching(server, upstream);
    await link(server, upstream, { accountId: person.id, scopes: ['notes.read', 'notes.write'] });
    const response = await exchange(server, client, accessToken);
    assert.equal(response.status, 400);
    assert.equal((await response.json()).error, 'interaction_required');
    await link(server, upstream, { accountId: person.id, grantId, scopes: ['notes.read', 'notes.write'] });
    assert.equal((await (await exchange(server, client, accessToken)).json()).error, 'interaction_required');
    assert.deepEqual(await events(person.id), []);
  });

  it('says where to send the user if the provider gave too little', async () => {
    const { client, accessToken, person } = await createReaching(server, upstream, { services: ['notes.read', 'notes.write'] });
    await link(server, upstream, { accountId: person.id, scopes: ['notes.read'] });
    const response = await exchange(server, client, accessToken, { scope: 'far:notes.write' });
    const body = await response.json();
    assert.equal(response.status, 400);
    assert.equal(body.error, 'interaction_required');
    assert.equal(body.interaction_uri, `${server.issuer}/account/links/far/connect?client_id=${client.client_id}`);
    assert.equal((await exchange(server, client, accessToken, { scope: 'far:notes.read' })).status, 200);
  });

  it("ends when the user revokes the client's access", async () => {
    const { client, accessToken, browser, grantId, person } = await createReaching(server, upstream);
    const { tokens } = await link(server, upstream, { accountId: person.id, grantId, scopes: ['notes.read'] });
    await (await browser.open('/account/apps')).submit({ client: client.client_id });
    const response = await exchange(server, client, accessToken);
    assert.deepEqual([response.status, (await response.json()).error], [400, 'invalid_request']);
    assert.deepEqual(
      await server.sql(
        'select 1 from upstream_token where grant_id is not null and identity_id in (select id from upstream_identity where account_id = $1)',
        [person.id],
      ),
      [],
    );
    // The user's account stays linked. The server does not notify the provider, because that could end its other tokens too.
    assert.ok(upstream.isAlive(tokens.accessToken));
    assert.deepEqual(await server.sql('select 1 from upstream_revocation'), []);
  });

  it('reaches two providers with one token of this server', async () => {
    const plain = await startUpstream('oauth2');
    try {
      await addProvider(server, plain, { id: 'near', services: ['files.read'] });
      const client = await createServiceClient(server, { services: ['far', 'near'] });
      const { person } = await createReaching(server, upstream, { client });
      await link(server, plain, { accountId: person.id, providerId: 'near', scopes: ['files.read'] });
      const scope = 'openid far:notes.read near:files.read';
      const { access_token } = await obtainTokens(server, client, person, { scope });
      for (const [audience, where] of [
        ['far', upstream],
        ['near', plain],
      ] as const) {
        const response = await exchange(server, client, access_token, { audience });
        const body = await response.json();
        assert.equal(response.status, 200, JSON.stringify(body));
        assert.ok(where.isAlive(body.access_token));
      }
      assert.equal((await callApi(server, '/oauth/userinfo', access_token)).status, 200);
    } finally {
      await plain.close();
    }
  });
});
