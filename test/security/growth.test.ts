import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { verifyClient } from '../../src/oauth/clients/store.ts';
import { createDeviceClient } from '../support/device.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { authorizePath, pkce, type TestClient } from '../support/flow.ts';
import { Person } from '../support/person.ts';
import { unchanged } from '../support/storage.ts';

/** Rows that strangers can make this server write have a budget and a size limit. */

const LIMITS = { authorize: 6, par: 5, device: 4, token: 7 };
const text = (length: number) => randomBytes(length).toString('base64url').slice(0, length);

describe('Requests that the server stores', () => {
  let server: TestServer;
  let client: TestClient;
  let device: TestClient;
  before(async () => {
    server = await startTestServer({ requestLimits: LIMITS, trustedProxies: ['127.0.0.1'] });
    [client, device] = await Promise.all([server.createClient(), createDeviceClient(server)]);
  });
  after(() => server.close());

  let networks = 0;
  const newNetwork = () => `198.18.${networks++}.7`;
  const request = (more: Record<string, string> = {}, of = client) => authorizePath(of, { ...pkce(), code_verifier: undefined, ...more });

  type Ask = (network: string, of?: TestClient, at?: Pick<TestServer, 'send'>) => Promise<Response>;
  const post = (path: string, parameters: (of: TestClient) => Record<string, string>): Ask => {
    return (network, of = path.includes('device') ? device : client, { send } = server) =>
      send(server.issuer + path, {
        method: 'POST',
        headers: { 'x-forwarded-for': network, 'content-type': 'application/x-www-form-urlencoded' },
        body: String(new URLSearchParams({ client_id: of.client_id, client_secret: of.client_secret ?? '', ...parameters(of) })),
      });
  };
  const ASKING: Record<keyof typeof LIMITS, Ask> = {
    authorize: (network, of = client, { send } = server) =>
      send(server.issuer + request({}, of), { redirect: 'manual', headers: { 'x-forwarded-for': network, accept: 'text/html' } }),
    par: post('/oauth/par', () => Object.fromEntries(new URL(request(), server.issuer).searchParams)),
    device: (network, of = device, at = server) =>
      post('/oauth/device_authorization', () => ({ scope: 'openid', client_secret: '' }))(network, of, at),
    token: post('/oauth/token', () => ({ grant_type: 'client_credentials' })),
  };

  async function useUp(kind: keyof typeof LIMITS, network: string, of?: TestClient): Promise<void> {
    for (let n = 0; n < LIMITS[kind]; n++) {
      const { status } = await ASKING[kind](network, of);
      assert(status < 400, `${kind} ${n}: ${status}`);
    }
  }

  for (const kind of Object.keys(LIMITS) as (keyof typeof LIMITS)[]) {
    it(`${kind}: are limited for one client at one network; the next gets 429 with Retry-After, and nothing is stored`, async () => {
      const network = newNetwork();
      await useUp(kind, network);
      const refused = await unchanged(server, () => ASKING[kind](network), ['rate_limit']);
      assert.equal(refused.status, 429);
      assert(Number(refused.headers.get('retry-after')) >= 1 && Number(refused.headers.get('retry-after')) <= 60);
      if (kind === 'authorize') assert.match(await refused.text(), /<h1>/);
      else assert.equal(((await refused.json()) as { error: string }).error, 'too_many_requests');
      assert((await ASKING[kind](newNetwork())).status < 400, 'the client is not closed to others');
    });
  }

  it("leave room for other clients at the same network, up to the network's limit", async () => {
    const network = newNetwork();
    await useUp('token', network);
    for (let n = 0; n < 4; n++) await useUp('token', network, await server.createClient());
    assert.equal((await ASKING.token(network, await server.createClient())).status, 429);
    assert.equal((await ASKING.token(newNetwork())).status, 200);
  });

  it("cannot be blocked for a client by strangers who know its id: they use up only their own network's limit", async () => {
    for (let n = 0; n < 3; n++) await useUp('par', newNetwork());
    assert.equal((await ASKING.par(newNetwork())).status, 201);
  });

  it('have a higher limit for a verified client', async () => {
    const verified = await server.createClient();
    await server.database.change(verifyClient(verified.client_id, 'Walking Club'));
    const network = newNetwork();
    for (let n = 0; n < LIMITS.token * 10; n++) assert.equal((await ASKING.token(network, verified)).status, 200, String(n));
    assert.equal((await ASKING.token(network, verified)).status, 429);
    assert.equal((await ASKING.token(network)).status, 200, 'which takes no room from the others there');
  });

  it('are counted by all nodes together', async () => {
    const other = await server.secondNode();
    try {
      const network = newNetwork();
      await useUp('device', network);
      await eventually('the other node has heard of it', async () => (await ASKING.device(network, device, other)).status === 429);
    } finally {
      await other.close();
    }
  });

  it('from everywhere at once are refused to unknown browsers before known ones', async () => {
    const small = await startTestServer({ requestLimits: { ...LIMITS, authorize: 1 }, trustedProxies: ['127.0.0.1'] });
    try {
      const asked = authorizePath(await small.createClient(), { ...pkce(), code_verifier: undefined });
      const visit = async (person: Person) => {
        person.headers = { ...person.headers, 'x-forwarded-for': newNetwork() };
        return (await person.request(asked)).status;
      };
      const known = new Person(small.issuer);
      assert.equal(await visit(known), 303);
      const account = await small.createPerson();
      const page = await known.open(authorizePath(await small.createClient(), { ...pkce(), code_verifier: undefined }));
      await page.submit({ email: account.email, password: account.password });
      for (let n = 0; n < 60; n++) await visit(new Person(small.issuer));
      assert.equal(await visit(new Person(small.issuer)), 429);
      assert.equal(await visit(known), 303);
    } finally {
      await small.close();
    }
  });

  it('are counted for operators, by kind', () => {
    const limited = server.counts.take().filter(({ name }) => name === 'limited');
    assert.deepEqual([...new Set(limited.map(({ label }) => label))].sort(), ['authorize', 'device', 'par', 'token']);
  });

  describe('have a limited size', () => {
    const ways = {
      authorize: (more: Record<string, string>) =>
        fetch(server.issuer + request(more), { redirect: 'manual', headers: { 'x-forwarded-for': newNetwork(), accept: 'text/html' } }),
      par: (more: Record<string, string>) =>
        post('/oauth/par', () => ({ ...Object.fromEntries(new URL(request(), server.issuer).searchParams), ...more }))(newNetwork()),
      device: (more: Record<string, string>) =>
        post('/oauth/device_authorization', () => ({ scope: 'openid', client_secret: '', ...more }))(newNetwork()),
    };
    const refusedAs: Record<string, (response: Response) => Promise<void>> = {
      async authorize(response) {
        assert.match(await response.text(), /The request is too long|요청이 너무 길어요/);
      },
      async par(response) {
        const { error, error_description } = (await response.json()) as Record<string, string>;
        assert.equal(error, 'invalid_request');
        assert.match(String(error_description), /can have up to \d/);
      },
    };

    it('in state and nonce: 4 kB each are accepted and returned, one byte more is not', async () => {
      for (const name of ['state', 'nonce'])
        for (const way of ['authorize', 'par'] as const) {
          const good = await ways[way]({ [name]: text(4_096) });
          assert(good.status < 400, `${way} ${name} ${good.status}`);
          const bad = await unchanged(server, () => ways[way]({ [name]: text(4_097) }), ['rate_limit']);
          assert.equal(bad.status, 400, `${way} ${name}`);
          await refusedAs[way]?.(bad);
        }
      assert.equal((await ways.par({ state: '가'.repeat(1_366) })).status, 400, 'by bytes');
    });

    it('as a whole: 16 kB, in any parameter', async () => {
      const most = 16_384;
      const long: Record<string, string>[] = [
        { login_hint: text(most) },
        { ui_locales: Array(6_000).fill('ko').join(' ') },
        { claims: JSON.stringify({ userinfo: { [text(most)]: null } }) },
        { unknown_parameter: text(most) },
        { [text(most)]: 'x' },
        { scope: text(most) },
      ];
      for (const more of long) {
        for (const way of ['par', 'device'] as const) {
          const bad = await unchanged(server, () => ways[way](more), ['rate_limit']);
          assert.equal(bad.status, 400, `${way} ${Object.keys(more)[0]?.slice(0, 20)}`);
          await refusedAs['par']?.(bad);
        }
      }
      assert.equal((await ways.par({ login_hint: text(8_000) })).status, 201);
    });
  });
});
