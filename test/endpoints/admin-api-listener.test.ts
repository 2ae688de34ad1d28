import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { openDatabase } from '../../src/platform/database.ts';
import { createLog } from '../../src/platform/log.ts';
import { startServer } from '../../src/server.ts';
import { call, createMachine, machineToken } from '../support/admin-api.ts';
import { freePort, startTestServer, type TestServer } from '../support/environment.ts';
import { countRows } from '../support/storage.ts';

const ADDRESSES = ['/admin/api/v1/people', '/admin/api/v1/openapi.json', '/admin/api/', '/admin/api/v2/people'];

/** Asserts that the public listener has no admin API for any token: it answers as for any unknown address. */
async function assertNotPublic(server: TestServer, token: string): Promise<void> {
  for (const path of ADDRESSES) {
    for (const method of ['GET', 'POST', 'DELETE']) {
      const response = await fetch(server.issuer + path, { method, headers: { authorization: `Bearer ${token}`, accept: 'text/html' } });
      assert.equal(response.status, 404, `${method} ${path}`);
      assert.equal(response.headers.get('content-type'), 'application/problem+json');
      assert.equal(response.headers.get('www-authenticate'), null);
      await response.body?.cancel();
    }
  }
}

describe('The listener of the admin API', () => {
  it('has no address that a client may register', async () => {
    const server = await startTestServer({ adminPort: await freePort(), environment: 'production', registration: 'open' });
    try {
      const there = String(server.config.adminOrigin);
      const register = (metadata: object) =>
        fetch(`${server.issuer}/oauth/register`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(metadata),
        });
      for (const metadata of [
        { redirect_uris: [`${there}/admin/signed-in`] },
        { redirect_uris: [`${there.replace('localhost', '127.0.0.1')}/cb`], application_type: 'native' },
        { redirect_uris: ['https://client.example/cb'], post_logout_redirect_uris: [`${there}/admin`] },
        { redirect_uris: ['https://client.example/cb'], allowed_origins: [there] },
      ]) {
        const response = await register(metadata);
        assert.equal(response.status, 400, JSON.stringify(metadata));
        assert.match(await response.text(), /"error":"invalid_(redirect_uri|client_metadata)"/);
      }
      assert.equal(await countRows(server, "client where id not like 'munjigi%'"), 0);
      assert.equal((await register({ redirect_uris: ['https://client.example/cb'] })).status, 201);
    } finally {
      await server.close();
    }
  });

  it('serves the API with ADMIN_PORT, and no other listener does', async () => {
    const server = await startTestServer({ adminPort: 0, environment: 'production' });
    try {
      assert(server.adminAddress);
      assert.notEqual(server.adminAddress, server.issuer.replace('localhost', '127.0.0.1'));
      const token = await machineToken(server, await createMachine(server));
      assert.equal((await call(server, token, 'GET /people')).status, 200);
      await assertNotPublic(server, token);
      for (const path of ['/admin/api/v2', '/.well-known/openid-configuration']) {
        const response: Response = await fetch(server.adminAddress + path);
        assert.equal(response.status, 404, path);
        assert.equal(response.headers.get('content-type'), 'application/problem+json');
        await response.body?.cancel();
      }
      // Its pages answer under ADMIN_ORIGIN only: test/security/admin-pages-listener.test.ts.
      for (const path of ['/', '/livez', '/account', '/oauth/token', '/admin']) {
        const response: Response = await fetch(server.adminAddress + path);
        assert.equal(response.status, 421, path);
        await response.body?.cancel();
      }
      // A client that follows the challenge finds the metadata at the issuer.
      const told = await (await fetch(`${server.issuer}/.well-known/oauth-protected-resource/admin/api`)).json();
      assert.equal((told as Record<string, unknown>)['resource'], `${server.issuer}/admin/api`);
    } finally {
      await server.close();
    }
    await assert.rejects(fetch(`${server.adminAddress}/admin/api/v1/people`), 'closed with the rest');
  });

  it('refuses a body, header or id that is too large', async () => {
    const server = await startTestServer({ adminPort: 0 });
    try {
      const token = await machineToken(server, await createMachine(server));
      const key = { 'idempotency-key': 'large' };
      assert.equal((await call(server, token, 'POST /initial-access-tokens', { name: 'x'.repeat(70_000) }, key)).status, 413);
      const response = await fetch(`${server.adminAddress}/admin/api/v1/people`, { headers: { 'x-long': 'x'.repeat(17_000) } });
      assert.equal(response.status, 431);
      await response.body?.cancel();
    } finally {
      await server.close();
    }
  });

  it('does not exist in production without ADMIN_PORT', async () => {
    const server = await startTestServer({ environment: 'production' });
    try {
      assert.equal(server.adminAddress, undefined);
      await assertNotPublic(server, await machineToken(server, await createMachine(server)));
      const metadata = await fetch(`${server.issuer}/.well-known/oauth-protected-resource/admin/api`);
      assert.equal(metadata.status, 404);
      await metadata.body?.cancel();
    } finally {
      await server.close();
    }
  });

  it('stops the start when its port is taken, and leaves nothing listening', async () => {
    const server = await startTestServer();
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const log = createLog('silent');
    const database = openDatabase(server.config.databaseUrl, log);
    try {
      const port = await freePort();
      const adminPort = (other.address() as AddressInfo).port;
      const config = { ...server.config, port, adminPort, adminOrigin: `http://localhost:${adminPort}` };
      await assert.rejects(startServer({ config, database, log, counts: server.counts }), { code: 'EADDRINUSE' });
      await assert.rejects(fetch(`http://127.0.0.1:${port}/livez`));
    } finally {
      other.close();
      await database.close();
      await server.close();
    }
  });
});
