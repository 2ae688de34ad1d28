import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { createGuardedFetch, fetchForUpstream, isPublicAddress } from '../../src/platform/outgoing.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';

describe('Requests to addresses that strangers choose', () => {
  it('treat only global unicast addresses as public', () => {
    for (const address of ['8.8.8.8', '2606:4700::1']) assert.ok(isPublicAddress(address), address);
    for (const address of [
      '127.0.0.1',
      '10.1.2.3',
      '172.16.0.1',
      '192.168.1.1',
      '169.254.169.254',
      '100.64.0.1',
      '0.0.0.0',
      '::1',
      '::',
      'fe80::1',
      'fd00::1',
      '::ffff:127.0.0.1',
      '64:ff9b::7f00:1',
      '224.0.0.1',
      '255.255.255.255',
      '4000::1',
      '1000::1',
      'fec0::1',
      '2001:db8::1',
      '2002:7f00:1::1',
      '192.0.2.1',
      '240.0.0.1',
      'nonsense',
    ]) {
      assert.ok(!isPublicAddress(address), address);
    }
  });

  describe('with a listener on loopback', () => {
    let connections = 0;
    let port: number;
    const listener = createServer((socket) => {
      connections += 1;
      socket.destroy();
    });
    let server: TestServer;
    before(async () => {
      listener.listen(0, '127.0.0.1');
      await once(listener, 'listening');
      port = (listener.address() as AddressInfo).port;
      server = await startTestServer();
    });
    after(async () => {
      listener.close();
      await server.close();
    });

    it('limit an answer by its decompressed size, so that a small archive cannot fill the memory', async () => {
      const packed = gzipSync(gzipSync(Buffer.alloc(400_000_000)));
      const [fine, text] = [Buffer.from('{"fine":true}'), { 'content-type': 'application/json' }];
      assert(packed.length < 10_000, String(packed.length));
      const asked: (string | undefined)[] = [];
      const bomb = createHttpServer((request, response) => {
        asked.push(request.headers['accept-encoding']);
        if (request.url === '/fine') return response.writeHead(200, { ...text, 'content-encoding': 'gzip' }).end(gzipSync(fine));
        if (request.url === '/plain') return response.writeHead(200, text).end(fine);
        return response.writeHead(200, { ...text, 'content-encoding': 'gzip, gzip' }).end(packed);
      });
      await once(bomb.listen(0, '127.0.0.1'), 'listening');
      const at = `http://127.0.0.1:${(bomb.address() as AddressInfo).port}`;
      const ownHosts = new Set(['127.0.0.1']);
      for (const fetchIt of [
        fetchForUpstream({ privateNetwork: true, deadline: AbortSignal.timeout(10_000) }),
        createGuardedFetch({ ownHosts }),
        createGuardedFetch({ ownHosts, maxBytes: 1_000_000 }),
      ]) {
        for (const path of ['/fine', '/plain']) assert.deepEqual(await (await fetchIt(at + path)).json(), { fine: true }, path);
        const before = process.memoryUsage().rss;
        for (const read of ['text', 'json', 'arrayBuffer'] as const)
          await assert.rejects(
            async () => (await fetchIt(`${at}/bomb`))[read](),
            ({ cause }: { cause: { code: string } }) => cause.code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE',
          );
        assert(process.memoryUsage().rss - before < 100_000_000, 'memory');
      }
      assert.deepEqual(new Set(asked), new Set(['identity']));
      bomb.close();
    });

    it('fail with one error for every refusal, and the listener sees no connection', async () => {
      const guardedFetch = createGuardedFetch();
      for (const url of [
        `http://127.0.0.1:${port}/`,
        `https://127.0.0.1:${port}/`,
        'https://127.0.0.1/',
        'https://[::1]/',
        'https://[::ffff:127.0.0.1]/',
        'https://localhost/',
        'https://0x7f.1/',
        'https://2130706433/',
        'https://name-that-is-not.invalid/',
      ]) {
        await assert.rejects(guardedFetch(url), { name: 'TypeError', message: 'fetch failed' }, url);
      }
      assert.equal(connections, 0);
    });

    it("reach the operator's own networks that are opened, and only on the opened port", async () => {
      const before = connections;
      const openedFetch = createGuardedFetch({
        openings: [
          { network: '127.0.0.0/8', port },
          { network: 'fd00::/8', port: port + 1 },
        ],
      });
      await assert.rejects(openedFetch(`https://127.0.0.1:${port}/`), { message: 'fetch failed' });
      assert.equal(connections, before + 1, 'the connection was made, and is no TLS');
      for (const url of [`http://127.0.0.1:${port}/`, 'https://127.0.0.1/', `https://127.0.0.1:${port + 1}/`, `https://10.0.0.1:${port}/`])
        await assert.rejects(openedFetch(url), { message: 'fetch failed' }, url);
      assert.equal(connections, before + 1);
    });

    it("for a jwks_uri at this server fail the client's authentication without a connection (RFC 7591 section 5)", async () => {
      const before = connections;
      const { client_id } = await server.createClient({
        token_endpoint_auth_method: 'private_key_jwt',
        jwks_uri: `https://127.0.0.1:${port}/jwks`,
      });
      const header = Buffer.from(JSON.stringify({ alg: 'ES256' })).toString('base64url');
      const now = Math.floor(Date.now() / 1000);
      const claims = Buffer.from(
        JSON.stringify({ iss: client_id, sub: client_id, aud: server.issuer, jti: 'j', iat: now, exp: now + 60 }),
      ).toString('base64url');
      const response = await fetch(`${server.issuer}/oauth/token`, {
        method: 'POST',
        body: new URLSearchParams({
          grant_type: 'client_credentials',
          client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
          client_assertion: `${header}.${claims}.c2ln`,
        }),
      });
      assert.equal(response.status, 401);
      assert.equal(((await response.json()) as { error: string }).error, 'invalid_client');
      assert.equal(connections, before);
      assert.deepEqual(await server.sql('select 1 from token where client_id = $1', [client_id]), []);
    });
  });
});
