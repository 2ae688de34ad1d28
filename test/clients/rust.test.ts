import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { drive } from '../support/client-driver.ts';
import { DEVICE_GRANT } from '../support/device.ts';
import { REDIRECT_URI, startTestServer, type TestServer } from '../support/environment.ts';
import type { Credentials } from '../support/flow.ts';
import { forgetRegistrations } from '../support/registration.ts';

/** Rust's clients (a package each below rust/), with a user who only signs in and presses Allow. Nothing is downloaded: Cargo has the crates already, or the test is skipped. */

const cwd = join(import.meta.dirname, 'rust');
// The first build takes minutes and the next ones a second: whoever runs this says where they are built.
const target = process.env['CARGO_TARGET_DIR'] ?? '';
const env = process.env;
const cargo = (...args: string[]) => spawnSync('cargo', [...args, '--offline', '--locked'], { cwd, env, encoding: 'utf8' });
const skip =
  (!target || cargo('tree').status !== 0) && 'no CARGO_TARGET_DIR, or no Cargo with openidconnect and oauth2: see docs/clients.md';

describe('Rust', { skip }, () => {
  let server: TestServer;
  before(async () => {
    const built = cargo('build');
    assert.equal(built.status, 0, built.stderr);
    server = await startTestServer();
  });
  after(() => server?.close());

  const program = (name: string) => join(target, 'debug', name);

  /** Runs a flow of the oauth2 client. */
  async function oauth2(flow: string, user: Credentials, grantTypes: string[]): Promise<{ seen: unknown; clientId: string }> {
    const client = await server.createClient({ grant_types: grantTypes });
    const settings = { clientId: client.client_id, clientSecret: client.client_secret, redirectUri: REDIRECT_URI };
    return { seen: await drive(server, user, [program('client-oauth2'), flow], settings), clientId: client.client_id };
  }

  it('openidconnect registers itself, signs in with PKCE, verifies the ID token, reads userinfo and refreshes', async () => {
    const user = await server.createPerson();
    const settings = { clientId: '', clientSecret: '', redirectUri: REDIRECT_URI };
    assert.deepEqual(await drive(server, user, [program('client-openidconnect')], settings), {
      sub: user.id,
      email: user.email,
      name: '홍길동',
      userinfo: [user.email, '홍길동'],
      renewed: true,
      subOfRefresh: user.id,
    });
    await forgetRegistrations(server);
  });

  it('oauth2 signs in with PKCE, calls the API, refreshes, introspects its token and revokes it', async () => {
    const user = await server.createPerson();
    const { seen } = await oauth2('code', user, ['authorization_code', 'refresh_token']);
    assert.deepEqual(seen, { me: user.id, scopes: ['profile'], before: [true, ['profile'], user.id], after: false, call: 401 });
  });

  it('oauth2 gets a token of its own', async () => {
    const { seen, clientId } = await oauth2('client-credentials', await server.createPerson(), ['client_credentials']);
    assert.deepEqual(seen, { status: 200, clientId });
  });

  it('oauth2 gets a token for a device', async () => {
    const user = await server.createPerson();
    const { seen } = await oauth2('device', user, [DEVICE_GRANT, 'refresh_token']);
    assert.deepEqual(seen, { me: user.id });
  });
});
