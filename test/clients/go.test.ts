import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { drive } from '../support/client-driver.ts';
import { REDIRECT_URI, startTestServer, type TestServer } from '../support/environment.ts';
import type { Credentials } from '../support/flow.ts';

/** Go's clients (a package each below go/), with a user who only signs in and presses Allow. Nothing is downloaded: Go has the modules already, or the test is skipped. */

const cwd = join(import.meta.dirname, 'go');
const env = { ...process.env, GOPROXY: 'off', GOTOOLCHAIN: 'local', GOFLAGS: '-mod=readonly' };
const skip =
  spawnSync('go', ['list', '-deps', './...'], { cwd, env, stdio: 'ignore' }).status !== 0 && 'no Go with go-oidc: see docs/clients.md';

describe('Go', { skip }, () => {
  let server: TestServer;
  let folder: string;
  before(async () => {
    [server, folder] = await Promise.all([startTestServer(), mkdtemp(join(tmpdir(), 'clients-go-'))]);
  });
  after(() => Promise.all([server.close(), rm(folder, { recursive: true })]));

  /** Builds one client and runs it. */
  async function run(name: string, user: Credentials): Promise<unknown> {
    const binary = join(folder, name);
    const built = spawnSync('go', ['build', '-o', binary, `./${name}`], { cwd, env, encoding: 'utf8' });
    assert.equal(built.status, 0, built.stderr);
    const client = await server.createClient();
    return drive(server, user, [binary], { clientId: client.client_id, clientSecret: client.client_secret, redirectUri: REDIRECT_URI });
  }

  it('go-oidc and x/oauth2 sign in without PKCE, read userinfo, and get a token of their own', async () => {
    const user = await server.createPerson();
    const seen = await run('go-oidc', user);
    assert.deepEqual(seen, { user: { sub: user.id, email: user.email, name: '홍길동' }, userinfo: user.email, data: 200 });
  });

  it('goth signs in without PKCE, has the name and e-mail of the user, and refreshes', async () => {
    const user = await server.createPerson();
    assert.deepEqual(await run('goth', user), { sub: user.id, email: user.email, name: '홍길동', renewed: true });
  });

  it('zitadel/oidc signs in with PKCE; the e-mail is in userinfo and in the ID token', async () => {
    const user = await server.createPerson();
    assert.deepEqual(await run('zitadel-oidc', user), { sub: user.id, email: user.email, claim: user.email });
  });
});
