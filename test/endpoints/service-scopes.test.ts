import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { allowServices } from '../../src/oauth/clients/store.ts';
import { createDeviceClient, DEVICE_GRANT } from '../support/device.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { authorizePath, clientCredentials, pkce, post, type TestClient } from '../support/flow.ts';
import { createServiceClient, EXCHANGE } from '../support/linked.ts';
import { Person } from '../support/person.ts';
import { assertRefused, assertSentBack, leadsTo } from '../support/refusals.ts';
import { addProvider, startUpstream, type TestUpstream } from '../support/upstream.ts';

describe("Permission to ask for a provider's services", () => {
  let server: TestServer;
  let upstream: TestUpstream;
  let trusted: TestClient;

  before(async () => {
    [server, upstream] = await Promise.all([startTestServer(), startUpstream()]);
    await addProvider(server, upstream, { services: ['notes.read'] });
    await addProvider(server, upstream, { id: 'near', name: 'Near', services: ['photos'] });
    trusted = await createServiceClient(server, { services: ['far'] });
  });
  after(() => Promise.all([server.close(), upstream.close()]));

  const { code_verifier: _, ...challenge } = pkce();
  const authorize = (client: TestClient, scope: string, more: Record<string, string> = {}) =>
    new Person(server.issuer).request(authorizePath(client, { ...challenge, scope, ...more }));
  const begun = () => server.sql("select 1 from protocol_record where kind in ('Interaction', 'PushedAuthorizationRequest', 'DeviceCode')");

  const refused: [who: string, client: () => Promise<TestClient>, scope: string][] = [
    ['a client without permission', () => server.createClient(), 'far:notes.read'],
    ['a client with permission for another provider', async () => trusted, 'near:photos'],
    [
      'a client with permission and without the required grant type',
      async () => {
        const client = await server.createClient();
        await server.sql("update client set services = '{far}' where id = $1", [client.client_id]);
        return client;
      },
      'far:notes.read',
    ],
    [
      'a client with the grant type and without permission',
      async () => {
        const client = await createServiceClient(server);
        await server.sql("update client set services = '{}' where id = $1", [client.client_id]);
        return client;
      },
      'far:notes.read',
    ],
  ];
  for (const [who, make, scope] of refused)
    it(`is missing for ${who}: invalid_scope names the scope, at every endpoint`, async () => {
      const client = await make();
      const before = (await begun()).length;
      for (const more of [{}, { resource: `${server.issuer}/api/posts` }, { prompt: 'none' }] as Record<string, string>[]) {
        const told = await assertSentBack(await authorize(client, `openid ${scope}`, more), client.redirect_uri, 'invalid_scope');
        assert.equal(told.get('state'), 's');
        assert.match(String(told.get('error_description')), new RegExp(`^${scope} is not open to this client: an operator`));
      }
      const pushed = { client_id: client.client_id, redirect_uri: client.redirect_uri, response_type: 'code', scope: `openid ${scope}` };
      const answer = await assertRefused(await post(server, '/oauth/par', client, { ...pushed, ...challenge }), 400, 'invalid_scope');
      assert.match(String(answer['error_description']), /an operator of this server/);
      assert.equal((await begun()).length, before);
    });

  it('is checked for a device before it shows a code', async () => {
    const ask = ({ client_id }: TestClient) =>
      post(server, '/oauth/device_authorization', { client_id, redirect_uri: '' }, { scope: 'openid far:notes.read' });
    await assertRefused(await ask(await createDeviceClient(server)), 400, 'invalid_scope');
    const allowed = await createDeviceClient(server, { grant_types: [DEVICE_GRANT] });
    await server.database.change(allowServices(allowed.client_id, { services: ['far'], origins: [] }));
    assert.equal((await ask(allowed)).status, 200);
  });

  it('cannot be given by a registration request', async () => {
    const register = (metadata: Record<string, unknown>) =>
      fetch(`${server.issuer}/oauth/register`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ client_name: 'Self made', redirect_uris: ['https://client.example/callback'], ...metadata }),
      });
    const listed = (await (await register({ grant_types: ['authorization_code', EXCHANGE] })).json()) as { grant_types: string[] };
    assert.deepEqual(listed.grant_types, ['authorization_code'], 'the answer says what was registered');
    const client = (await (await register({ services: ['far'] })).json()) as TestClient & Record<string, unknown>;
    assert.equal(client['services'], undefined);
    const own = { ...client, redirect_uri: 'https://client.example/callback' };
    await assertSentBack(await authorize(own, 'openid far:notes.read'), own.redirect_uri, 'invalid_scope');
  });

  it('lets a client ask the user, and can be withdrawn without a restart', async () => {
    assert.match(String((await authorize(trusted, 'openid far:notes.read')).headers.get('location')), /\/interaction\//);
    const client = await createServiceClient(server);
    assert.match(String((await authorize(client, 'openid far:notes.read')).headers.get('location')), /\/interaction\//);
    await server.database.change(allowServices(client.client_id, { services: [], origins: [] }));
    await eventually('the client hears that its leave was taken', async () =>
      (await leadsTo(await authorize(client, 'openid far:notes.read'))).includes('error=invalid_scope'),
    );
  });

  it('does not apply to a client for itself, which has no user', async () => {
    const { scope } = await clientCredentials(server, trusted, 'api far:notes.read');
    assert.equal(scope, 'api');
  });
});
