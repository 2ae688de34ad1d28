import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { FAILURES } from '../../src/features/request-limits/client-failures.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { createResourceServerClient } from '../support/flow.ts';
import { assertRefused } from '../support/refusals.ts';
import { unchanged } from '../support/storage.ts';

describe('Failing client authentication', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer({ trustedProxies: ['127.0.0.1'] });
  });
  after(() => server.close());

  const ask = (path: string, form: Record<string, string>, network: string, headers: Record<string, string> = {}) =>
    fetch(server.issuer + path, { method: 'POST', headers: { 'x-forwarded-for': network, ...headers }, body: new URLSearchParams(form) });
  const token = (client: { client_id: string }, client_secret: string, network: string) =>
    ask('/oauth/token', { grant_type: 'client_credentials', client_id: client.client_id, client_secret }, network);
  const failOften = async (fail: () => Promise<Response>, times = FAILURES.points) => {
    const statuses = await Promise.all(Array.from({ length: times }, async () => (await fail()).status));
    assert.deepEqual([...new Set(statuses)], [401]);
  };
  const limited = async (response: Response) => {
    const body = await assertRefused(response, 429, 'too_many_attempts');
    const seconds = Number(response.headers.get('retry-after'));
    assert(seconds > 0 && seconds <= FAILURES.seconds, String(seconds));
    assert.equal(response.headers.get('www-authenticate'), null);
    assert.match(String(body['error_description']), /^[\x20-\x7e]+$/);
  };

  it('is limited by client and network, and the client itself still authenticates, from there and elsewhere', async () => {
    const [client, other] = [await server.createClient(), await server.createClient()];
    const wrong = () => token(client, 'wrong', '198.51.100.7');
    await unchanged(server, () => failOften(wrong));
    await limited(await unchanged(server, wrong));
    assert.equal((await token(client, 'wrong', '198.51.100.200')).status, 429, 'the same network');
    for (const network of ['198.51.100.7', '203.0.113.7'])
      assert.equal((await token(client, client.client_secret, network)).status, 200, network);
    assert.equal((await token(client, 'wrong', '203.0.113.7')).status, 401, 'another network');
    assert.equal((await token(other, 'wrong', '198.51.100.7')).status, 401, 'another client');
  });

  it('has one count for all endpoints and all authentication methods', async () => {
    const [client, api] = [await server.createClient(), await createResourceServerClient(server)];
    const network = '198.51.101.7';
    const basic = { authorization: `Basic ${Buffer.from(`${client.client_id}:wrong`).toString('base64')}` };
    const ways = [
      () => token(client, 'wrong', network),
      () => ask('/oauth/token', { grant_type: 'client_credentials' }, network, basic),
      () => ask('/oauth/introspect', { token: 'x'.repeat(43) }, network, basic),
      () => ask('/oauth/revoke', { token: 'x'.repeat(43) }, network, basic),
      () => ask('/oauth/par', { response_type: 'code' }, network, basic),
      () => ask('/oauth/device_authorization', {}, network, basic),
    ];
    for (const way of ways) await failOften(way, FAILURES.points / ways.length);
    for (const way of ways) await limited(await way());
    const right = { authorization: `Basic ${Buffer.from(`${api.client_id}:${api.client_secret}`).toString('base64')}` };
    assert.equal((await ask('/oauth/introspect', { token: 'x'.repeat(43) }, network, right)).status, 200);
  });

  it('has one count for all unknown clients', async () => {
    let n = 0;
    const nobody = () => token({ client_id: `nobody-${n++}` }, 'wrong', '198.51.102.7');
    await failOften(nobody);
    await limited(await nobody());
    const client = await server.createClient();
    assert.equal((await token(client, client.client_secret, '198.51.102.7')).status, 200);
  });
});
