import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { keepCountsWritten } from '../../src/audit/counts.ts';
import { clientAddress } from '../../src/http/host.ts';
import { createLog } from '../../src/platform/log.ts';
import { look, signInAs } from '../support/admin.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { authorizePath, pkce } from '../support/flow.ts';
import { unchanged } from '../support/storage.ts';

type Answer = { status: number; headers: Record<string, string | string[] | undefined>; text: string };

/** Sends a request with a chosen Host, which fetch does not allow. */
function get(server: TestServer, path: string, headers: Record<string, string>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: server.config.host, port: server.config.port, path, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: Number(response.statusCode), headers: response.headers, text }));
    });
    sent.on('error', reject).end();
  });
}

for (const trustedProxies of [[], ['127.0.0.1']]) {
  describe(`A forged origin, ${trustedProxies.length ? 'from a proxy that is trusted' : 'without a proxy'}`, () => {
    let server: TestServer;
    before(async () => {
      server = await startTestServer({ trustedProxies });
    });
    after(() => server.close());

    const documents = [
      '/.well-known/openid-configuration',
      '/.well-known/oauth-authorization-server',
      '/.well-known/oauth-protected-resource',
    ];
    const forged = {
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'https',
      'x-forwarded-port': '444',
      'x-forwarded-prefix': '/evil',
      forwarded: 'for=1.2.3.4;host=evil.example;proto=https',
    };

    it('is refused in the Host header at every endpoint (RFC 9110 section 15.5.20)', async () => {
      const { port } = server.config;
      for (const host of [
        'evil.example',
        `evil.example:${port}`,
        'localhost',
        `localhost:${port + 1}`,
        `localhost:${port}@evil.example`,
        `evil.example@localhost:${port}`,
        `localhost:${port}.evil.example`,
        `localhost:${port}/`,
        '',
      ])
        for (const path of [...documents, '/oauth/authorize', '/api/me', '/']) {
          const answer = await unchanged(server, () => get(server, path, { host, ...forged }));
          assert.equal(answer.status, 421, `${host} ${path}`);
          assert.doesNotMatch(answer.text, /evil/);
          assert.equal(answer.headers['location'], undefined);
        }
    });

    it('does not appear in documents and redirects, for any forwarded header', async () => {
      const host = new URL(server.issuer).host;
      for (const path of documents) {
        const [plain, lied] = [await get(server, path, { host }), await get(server, path, { host, ...forged })];
        assert.equal(plain.status, 200);
        assert.equal(lied.text, plain.text);
      }
      const { code_verifier: _, ...challenge } = pkce();
      const { headers } = await get(server, authorizePath(await server.createClient(), challenge), { host, ...forged });
      assert.equal(new URL(String(headers['location']), server.issuer).origin, server.issuer);
      assert.doesNotMatch(String(headers['set-cookie']), /evil/);
    });

    it("does not appear in a registration's management address", async () => {
      const response = await fetch(`${server.issuer}/oauth/register`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...forged },
        body: JSON.stringify({ redirect_uris: ['https://walk.example/cb'] }),
      });
      const { registration_client_uri } = (await response.json()) as { registration_client_uri: string };
      assert.equal(new URL(registration_client_uri).origin, server.issuer);
    });

    it('is accepted by the health checks, because orchestrators use an IP address', async () => {
      assert.equal((await get(server, '/livez', { host: '10.0.0.7:3000' })).status, 200);
    });
  });
}

describe("The client's address behind proxies", () => {
  const proxies = ['10.0.0.0/8', '127.0.0.1', 'fd00::/8'];

  it('is the peer when the peer is no trusted proxy, for any header', () => {
    assert.equal(clientAddress('203.0.113.9', '1.2.3.4', proxies), '203.0.113.9');
    assert.equal(clientAddress('203.0.113.9', undefined, proxies), '203.0.113.9');
    assert.equal(clientAddress('127.0.0.1', '1.2.3.4', []), '127.0.0.1');
  });

  it('is the rightmost address that is no trusted proxy: anyone can write the part to its left', () => {
    assert.equal(clientAddress('10.1.1.1', '6.6.6.6, 203.0.113.9', proxies), '203.0.113.9');
    assert.equal(clientAddress('10.1.1.1', '6.6.6.6, 203.0.113.9, 10.2.2.2', proxies), '203.0.113.9');
    assert.equal(clientAddress('::ffff:10.1.1.1', '203.0.113.9', proxies), '203.0.113.9');
    assert.equal(clientAddress('fd00::1', '2001:db8::7', proxies), '2001:db8::7');
  });

  it('is never text that is no address', () => {
    for (const nonsense of [
      ...[
        'unknown',
        '_hidden',
        '"203.0.113.9"',
        '',
        ',,,',
        '<script>',
        'evil.example',
        '203.0.113.9:80:90',
        '[::1',
        '::1]',
        '[203.0.113.9]:1',
      ],
      ...['0x7f.1', '127.1', '2130706433', '203.0.113.09', '203.0.113.256', '203.0.113.9/24', '203.0.113.9:', '203.0.113.9:999999'],
    ])
      for (const chain of [nonsense, `6.6.6.6, ${nonsense}`, `6.6.6.6, ${nonsense}, 10.2.2.2`])
        assert.equal(clientAddress('10.1.1.1', chain, proxies), chain.endsWith('10.2.2.2') ? '10.2.2.2' : '10.1.1.1', chain);
  });

  it('is read without the port that some proxies append', () => {
    for (const [hop, address] of [
      ['203.0.113.9:40123', '203.0.113.9'],
      ['[2001:db8:7::1]:443', '2001:db8:7::1'],
      ['[2001:db8:7::1]', '2001:db8:7::1'],
      ['10.2.2.2:80', '10.2.2.2'],
    ] as const) {
      assert.equal(clientAddress('10.1.1.1', hop, proxies), address);
      assert.equal(clientAddress('10.1.1.1', `6.6.6.6, ${hop}`, proxies), address.startsWith('10.') ? '6.6.6.6' : address);
    }
  });

  it('is a proxy when there are only proxies', () => {
    assert.equal(clientAddress('10.1.1.1', '10.2.2.2', proxies), '10.2.2.2');
  });
});

describe('X-Forwarded-For from a peer that TRUST_PROXY does not list', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  it('is logged once in a process, and operators see its number', async () => {
    const operator = await signInAs(server, 'admin');
    assert.doesNotMatch((await look(operator, '/admin')).html, /TRUST_PROXY/);
    const told = () => server.logLines().filter((line) => line.includes('proxy_not_listed'));
    const { host } = new URL(server.issuer);
    await get(server, '/', { host });
    assert.deepEqual(told(), []);
    for (const forwarded of ['203.0.113.9', 'nonsense', '']) await get(server, '/', { host, 'x-forwarded-for': forwarded });
    assert.equal(told().length, 1);
    const { level, peer, reason } = JSON.parse(String(told()[0]));
    assert.deepEqual([level, peer], ['warn', '127.0.0.1']);
    assert.match(reason, /list it in TRUST_PROXY/);
    await eventually('operators see it', async () =>
      /1 request with X-Forwarded-For came from/.test((await look(operator, '/admin')).html),
    );
    await keepCountsWritten({ ...server, log: createLog('silent') }).stop();
    assert.match(
      (await look(operator, '/admin')).html,
      /3 requests with X-Forwarded-For came from an address that TRUST_PROXY does not list/,
    );
  });
});
