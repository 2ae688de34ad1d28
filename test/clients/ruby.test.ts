import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { drive } from '../support/client-driver.ts';
import { freePort, startTestServer, type TestServer } from '../support/environment.ts';
import { register } from '../support/registration.ts';

/** Ruby's client, in a process of its own (ruby/*.rb), with a user who only signs in and presses Allow. */

const gems = ['-romniauth', '-romniauth_openid_connect', '-rrack/handler/webrick'];
const skip =
  spawnSync('ruby', [...gems, '-e', ''], { stdio: 'ignore' }).status !== 0 && 'no Ruby with omniauth_openid_connect: see docs/clients.md';

describe('Ruby', { skip }, () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  it('OmniAuth signs a user in, and has the e-mail, the name and the user name', async () => {
    const user = await server.createPerson();
    const port = await freePort();
    const client = await register(server, { redirect_uris: [`http://localhost:${port}/auth/openid_connect/callback`] });
    const seen = await drive(server, user, ['ruby', join(import.meta.dirname, 'ruby/omniauth.rb')], {
      port,
      clientId: client.client_id,
      clientSecret: client.client_secret,
      redirectUri: client.redirect_uri,
    });
    assert.deepEqual(seen, { uid: user.id, email: user.email, name: '홍길동', nickname: user.username });
  });
});
