import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { LIMITS } from '../../src/http/rate-limit.ts';
import { digest } from '../../src/platform/secrets.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { clientCredentials, introspect } from '../support/flow.ts';
import { assertRefused } from '../support/refusals.ts';
import { forgetRegistrations, METADATA, manage, register, sendRegistration } from '../support/registration.ts';
import { countRows, unchanged } from '../support/storage.ts';

const { points: OF_NETWORK } = LIMITS.registrationFromNetwork;
const { points: OF_ALL } = LIMITS.registration;

describe('The limits of registration (RFC 7591 section 5)', () => {
  let server: TestServer;
  before(async () => {
    // The tests act as a trusted proxy, so that they can choose their network.
    server = await startTestServer({ trustedProxies: ['127.0.0.1'], logLevel: 'warn' });
  });
  after(() => server.close());
  afterEach(() => server.sql('delete from rate_limit'));

  const from = (address: string) => ({ 'x-forwarded-for': address });
  const made = () => countRows(server, `client where registration = 'dynamic'`);
  const assertLimited = async (response: Response) => {
    const wait = Number(response.headers.get('retry-after'));
    assert(wait > 0 && wait <= 3_600, String(wait));
    assert.match(response.headers.get('content-type') ?? '', /^application\/json/);
    const body = await assertRefused(response, 429, 'too_many_registrations');
    assert.match(String(body['error_description']), /^[\x20-\x7e]+$/);
  };

  it('store no more than the limit of a thousand parallel registrations from one network, and affect nothing else', async () => {
    const before = await made();
    const client = await server.createClient();
    const { access_token } = await clientCredentials(server, client);
    const others = () => countRows(server, `client where registration <> 'dynamic'`);
    const [othersBefore, answered] = [await others(), [] as unknown[]];
    let next = 0;
    const statuses: number[] = [];
    const sender = async () => {
      while (next < 1_000) {
        const response = await sendRegistration(server, METADATA, from(`192.0.2.${next++ % 250}`));
        statuses.push(response.status);
        if (response.status === 429) await assertLimited(response);
        else await response.arrayBuffer();
        if (statuses.length % 100 === 0) answered.push((await introspect(server, client, access_token))['active']);
      }
    };
    await Promise.all(Array.from({ length: 20 }, sender));
    assert.equal(statuses.length, 1_000);
    assert.deepEqual(new Set(statuses), new Set([201, 429]));
    assert.equal(statuses.filter((status) => status === 201).length, OF_NETWORK);
    assert.equal((await made()) - before, OF_NETWORK);
    assert.equal(await others(), othersBefore);
    assert(answered.length > 0 && answered.every((active) => active === true), JSON.stringify(answered));
    assert.equal(await countRows(server, `audit_event where type = 'client_made'`), OF_NETWORK, 'what was refused is not told of');
    await unchanged(server, async () => assertLimited(await sendRegistration(server, METADATA, from('192.0.2.9'))), ['rate_limit']);
    assert.equal((await sendRegistration(server, METADATA, from('198.51.100.1'))).status, 201, 'another network is not held up');
  });

  it('count refused requests, requests of browsers, and other spellings of the address', async () => {
    for (let n = 0; n < OF_NETWORK; n++) assert.equal((await sendRegistration(server, '{')).status, 400);
    await assertLimited(await sendRegistration(server, METADATA, { accept: 'text/html' }));
    for (const path of ['/oauth/register/', '/oauth/Register', '/oauth/%72egister']) {
      const before = await made();
      const json = { 'content-type': 'application/json' };
      const { status } = await fetch(server.issuer + path, { method: 'POST', headers: json, body: JSON.stringify(METADATA) });
      assert([404, 429].includes(status), `${path} ${status}`);
      assert.equal(await made(), before);
    }
    await server.sql(`update rate_limit set expires_at = now() - interval '1 second'`);
    assert.equal((await sendRegistration(server, METADATA)).status, 201, 'the hour has passed');
  });

  it('include one for all networks together, which a network above its own limit does not use up', async () => {
    await sendRegistration(server, METADATA, from('192.0.2.1'));
    // Only the total limit counts requests of a second network too.
    await sendRegistration(server, METADATA, from('198.51.100.1'));
    const spent = await server.sql('update rate_limit set points = $1 where points = 2 returning 1', [OF_ALL - 1]);
    assert.equal(spent.length, 1);
    assert.equal((await sendRegistration(server, METADATA, from('203.0.113.1'))).status, 201);
    const before = await made();
    await assertLimited(await sendRegistration(server, METADATA, from('203.0.113.1')));
    assert.equal(await made(), before);

    await server.sql('delete from rate_limit');
    for (let n = 0; n < OF_NETWORK + 5; n++) await (await sendRegistration(server, '{', from('192.0.2.1'))).arrayBuffer();
    const counts = await server.sql('select points from rate_limit order by points');
    assert.deepEqual(counts, [{ points: OF_NETWORK }, { points: OF_NETWORK + 5 }]);
  });

  it('allow metadata of sixteen kilobytes, at registration and at an update', async () => {
    const padded = (size: number, more = {}) => {
      const metadata = { ...METADATA, ...more, contacts: [''] };
      const room = size - JSON.stringify(metadata).length;
      return { ...metadata, contacts: [`${'x'.repeat(room - '@walk.example'.length)}@walk.example`] };
    };
    const client = await register(server);
    for (const more of [1, 50_000]) {
      const large = padded(16 * 1024 + more);
      const answer = await unchanged(server, () => sendRegistration(server, large).finally(() => forgetRegistrations(server)));
      await assertRefused(answer, 413, 'registration_too_large');
      const update = await unchanged(server, () => manage(server, client, 'PUT', { ...large, client_id: client.client_id }));
      await assertRefused(update, 413, 'registration_too_large');
    }
    const chunked = new ReadableStream({
      start(controller) {
        for (let n = 0; n < 20; n++) controller.enqueue(new TextEncoder().encode(' '.repeat(1_024)));
        controller.close();
      },
    });
    const headers = { 'content-type': 'application/json' };
    const unsized = await fetch(`${server.issuer}/oauth/register`, {
      method: 'POST',
      headers,
      body: chunked,
      duplex: 'half',
    } as RequestInit);
    await assertRefused(unsized, 413, 'registration_too_large');
    const { status } = await sendRegistration(server, padded(16 * 1024));
    assert.equal(status, 201, 'no less than that');
  });
});

describe('The limits of registration, as an operator set them', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer({
      trustedProxies: ['127.0.0.1'],
      registrationLimit: 2,
      registrationNetworks: [
        { network: '203.0.113.0/24', most: 4 },
        { network: '203.0.113.7', most: 1 },
        { network: '198.51.0.0/16', most: 3 },
        { network: '2001:db8::/32', most: 3 },
      ],
    });
  });
  after(() => server.close());

  const statuses = async (addresses: string[]) => {
    const all: number[] = [];
    for (const address of addresses) all.push((await sendRegistration(server, METADATA, { 'x-forwarded-for': address })).status);
    return all;
  };

  it("count by the smallest network of the setting, otherwise by the visitor's own network", async () => {
    assert.deepEqual(await statuses(['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.3.1']), [201, 201, 429, 201]);
    assert.deepEqual(await statuses(['203.0.113.7', '203.0.113.7', '203.0.113.8']), [201, 429, 201], 'one address of it');
    assert.deepEqual(await statuses(['198.51.1.1', '198.51.2.1', '198.51.3.1', '198.51.4.1']), [201, 201, 201, 429], 'four of its parts');
    assert.deepEqual(await statuses(['2001:db8:1::1', '2001:db8:2::1', '2001:db8:3::1', '2001:db8:4::1']), [201, 201, 201, 429]);
    assert.deepEqual(await statuses(['::ffff:203.0.113.9', '203.0.113.9', '203.0.113.9', '203.0.113.9']), [201, 201, 201, 429]);
  });

  it('name the limit and the time of the next attempt in a sentence', async () => {
    const answer = await sendRegistration(server, METADATA, { 'x-forwarded-for': '192.0.2.4' });
    const { error_description } = (await answer.json()) as { error_description: string };
    assert.match(
      error_description,
      /^One network can register up to 2 clients per hour\. Nothing was registered\. Try again in \d+ minutes?\.$/,
    );
    await server.sql('update rate_limit set points = 100000');
    await server.sql(`update rate_limit set points = 0 where points = 100000 and key <> $1`, [
      Buffer.from(digest(`${LIMITS.registration.name} `)),
    ]);
    const all = (await (await sendRegistration(server, METADATA, { 'x-forwarded-for': '192.0.9.4' })).json()) as Record<string, string>;
    // A thousand, plus what the networks of the setting may register.
    assert.match(String(all['error_description']), /^All networks together can register up to 1,?011 clients per hour/);
  });
});
