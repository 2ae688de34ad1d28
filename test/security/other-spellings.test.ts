import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { beginDevice, createDeviceClient } from '../support/device.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { unchanged } from '../support/storage.ts';

/** The library's router accepts several spellings of a path. The guards of this server know one, so only one may work. */
describe('Another spelling of a protocol path', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  const spellings = (path: string) => [
    path.toUpperCase(),
    path.replace(/[a-z](?=[^/]*$)/, (letter) => letter.toUpperCase()),
    `${path}/`,
    `${path}//`,
    `/${path}`,
    path.replace(/.$/, (last) => `%${last.charCodeAt(0).toString(16)}`),
  ];

  it('is not found by any method, and nothing is done', async () => {
    const metadata = (await (await fetch(`${server.issuer}/.well-known/openid-configuration`)).json()) as Record<string, unknown>;
    const named = Object.entries(metadata).flatMap(([name, value]) =>
      name.endsWith('_endpoint') || name === 'jwks_uri' ? [new URL(String(value)).pathname] : [],
    );
    assert(named.length >= 9, named.join());
    for (const path of [...named, '/device', '/.well-known/openid-configuration', '/.well-known/oauth-authorization-server'])
      for (const spelled of spellings(path))
        for (const method of ['GET', 'POST']) {
          const init = {
            method,
            redirect: 'manual',
            ...(method === 'POST' ? { body: new URLSearchParams({ token: 'x' }) } : undefined),
          } as const;
          const response = await unchanged(server, () => fetch(server.issuer + spelled, init));
          // A target with two leading slashes is not a path.
          assert.equal(response.status, spelled.startsWith('//') ? 400 : 404, `${method} ${spelled}`);
        }
  });

  it('accepts no guess at a device code, because it would not be counted', async () => {
    const { user_code } = await beginDevice(server, await createDeviceClient(server));
    const origin = { origin: server.issuer, accept: 'text/html' };
    for (const path of ['/device/', '/device//'])
      for (const code of [user_code, 'BBBB-BBBB']) {
        const body = new URLSearchParams({ user_code: code });
        const response = await unchanged(server, () =>
          fetch(server.issuer + path, { method: 'POST', headers: origin, body, redirect: 'manual' }),
        );
        assert.equal(response.status, 404);
        assert(!(await response.text()).includes(user_code));
      }
  });
});
