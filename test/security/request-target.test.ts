import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { createProofKey } from '../support/dpop.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { register } from '../support/registration.ts';
import { unchanged } from '../support/storage.ts';

const EVIL = 'http://evil.example';
const FORM = 'Content-Type: application/x-www-form-urlencoded';
const TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

type Sent = { method?: string; target: string; headers?: string[]; body?: string; version?: string };

describe('The target of a request (RFC 9112 section 3.2)', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer({ adminPort: 0 });
  });
  after(() => server.close());

  /** The raw response to a request that no client library would send. */
  function raw({ method = 'GET', target, headers, body = '', version = '1.1' }: Sent, address = server.issuer): Promise<string> {
    const { port, host } = new URL(address);
    const lines = [`${method} ${target} HTTP/${version}`, ...(headers ?? [`Host: ${host}`]), `Content-Length: ${Buffer.byteLength(body)}`];
    return new Promise((resolve, reject) => {
      let answer = '';
      const socket = connect(Number(port), '127.0.0.1', () => socket.write(`${lines.join('\r\n')}\r\nConnection: close\r\n\r\n${body}`));
      socket.on('data', (chunk) => (answer += chunk)).on('close', () => resolve(answer));
      socket.on('error', (error) => (answer ? resolve(answer) : reject(error)));
    });
  }
  const statusOf = (answer: string) => Number(answer.split(' ')[1]);
  const hostLine = () => `Host: ${new URL(server.issuer).host}`;

  async function assertRefused(sent: Sent, address?: string): Promise<void> {
    const answer = await unchanged(server, () => raw(sent, address));
    assert.equal(statusOf(answer), 400, `${sent.method} ${sent.target}: ${answer}`);
    assert.doesNotMatch(answer, /evil\.example|access_token|"active":true|Location:/);
    // Node refuses some targets itself, with an empty answer.
    assert.match(answer, /^HTTP.*\r\nContent-Length: 0|"error":"invalid_request","error_description":"The request target must be a path/s);
  }

  const metadata = async () => (await (await fetch(`${server.issuer}/.well-known/openid-configuration`)).json()) as Record<string, unknown>;

  it('is 400 in absolute form at every endpoint, with any host', async () => {
    const named = Object.entries(await metadata()).flatMap(([name, value]) =>
      name.endsWith('_endpoint') || name === 'jwks_uri' ? [new URL(String(value)).pathname] : [],
    );
    assert(named.length >= 9, named.join());
    const others = [
      '/.well-known/openid-configuration',
      '/.well-known/oauth-protected-resource',
      '/api/me',
      '/account',
      '/admin',
      '/livez',
    ];
    for (const path of [...named, ...others, '/', '/style.css'])
      for (const origin of [EVIL, server.issuer, 'https://evil.example', 'ws://evil.example', 'http://user@evil.example', 'http://['])
        for (const method of ['GET', 'POST'])
          await assertRefused({ method, target: origin + path, headers: [hostLine(), FORM], body: method === 'POST' ? 'token=x' : '' });
  });

  it('is 400 in authority form, as an asterisk, and with two slashes or a backslash at its beginning', async () => {
    const { host } = new URL(server.issuer);
    for (const target of [host, 'evil.example:80', 'evil.example', '*', '?x', '#', ':', 'oauth/token'])
      for (const method of ['GET', 'POST', 'OPTIONS']) await assertRefused({ method, target });
    for (const start of [
      '//evil.example',
      '/\\evil.example',
      '\\\\evil.example',
      '\\evil.example',
      '/\\/evil.example',
      '///evil.example',
      '//',
    ])
      await assertRefused({ target: `${start}/.well-known/openid-configuration` });
  });

  it('is refused for CONNECT, which opens no tunnel', async () => {
    const answer = await raw({ method: 'CONNECT', target: 'evil.example:443' }).catch(() => '');
    assert(answer === '' || statusOf(answer) === 400, answer);
  });

  it('is 400 on the administration listener too', async () => {
    const address = server.adminAddress as string;
    assert.equal(statusOf(await raw({ target: '/admin/api/v1/clients' }, address)), 401);
    await assertRefused({ target: `${EVIL}/admin/api/v1/clients` }, address);
    await assertRefused({ target: '//evil.example/admin/api/v1/clients' }, address);
  });

  it('gives no token for an assertion to another server, in any form of the request line', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    const { client_id: id } = await server.createClient({
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [{ ...(await exportJWK(publicKey)), alg: 'ES256' }] },
    });
    const body = async (aud: string) => {
      const assertion = new SignJWT({ iss: id, sub: id, aud, jti: randomUUID() }).setProtectedHeader({ alg: 'ES256' });
      const client_assertion = await assertion.setIssuedAt().setExpirationTime('1m').sign(privateKey);
      return String(new URLSearchParams({ grant_type: 'client_credentials', client_assertion_type: TYPE, client_assertion, token: 'x' }));
    };
    const headers = [hostLine(), FORM];
    const honest = await raw({ method: 'POST', target: '/oauth/token', headers, body: await body(server.issuer) });
    assert.equal(statusOf(honest), 200, honest);
    for (const path of ['/oauth/token', '/oauth/par', '/oauth/introspect', '/oauth/revoke', '/oauth/device_authorization']) {
      const target = `${EVIL}${path}`;
      for (const version of ['1.1', '1.0']) await assertRefused({ method: 'POST', target, headers, version, body: await body(target) });
      const plain = await unchanged(server, async () => raw({ method: 'POST', target: path, headers, body: await body(target) }), [
        'client_error',
      ]);
      assert.equal(statusOf(plain), 401, plain);
    }
    await assertRefused({
      method: 'POST',
      target: `${EVIL}/oauth/token`,
      headers: [FORM],
      version: '1.0',
      body: await body(`${EVIL}/oauth/token`),
    });
    const nameless = await raw({
      method: 'POST',
      target: '/oauth/token',
      headers: [FORM],
      version: '1.0',
      body: await body(server.issuer),
    });
    assert.equal(statusOf(nameless), 421, nameless);
  });

  it('accepts no DPoP proof for another server (RFC 9449 section 4.3)', async () => {
    const client = await server.createClient();
    const key = await createProofKey();
    const headers = async (issuer: string) => [
      hostLine(),
      FORM,
      `Authorization: Basic ${Buffer.from(`${client.client_id}:${client.client_secret}`).toString('base64')}`,
      `DPoP: ${(await key.proof({ issuer } as TestServer)).dpop}`,
    ];
    const sent = { method: 'POST', body: 'grant_type=client_credentials' };
    const honest = await raw({ ...sent, target: '/oauth/token', headers: await headers(server.issuer) });
    assert.equal(statusOf(honest), 200, honest);
    await assertRefused({ ...sent, target: `${EVIL}/oauth/token`, headers: await headers(EVIL) });
    assert.equal(statusOf(await raw({ ...sent, target: '/oauth/token', headers: await headers(EVIL) })), 400);
  });

  it('is 400 with two hosts, and answers for neither', async () => {
    const ours = hostLine();
    for (const headers of [
      [ours, 'Host: evil.example'],
      ['Host: evil.example', ours],
      [ours, ours],
    ]) {
      const answer = await unchanged(server, () => raw({ target: '/.well-known/openid-configuration', headers }));
      assert.equal(statusOf(answer), 400, answer);
      assert.doesNotMatch(answer, /evil\.example|"issuer"/);
    }
  });

  it('sets no host in the registration response, in any form', async () => {
    const client = await register(server, { redirect_uris: ['https://walk.example/cb'] });
    assert.equal(new URL(String(client['registration_client_uri'])).origin, server.issuer);
  });
});
