import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { freePort, startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { register } from '../support/registration.ts';
import { openApp, Visitor } from '../support/visitor.ts';

/** Whole applications in Go, built as their authors build them, with a user who only signs in and presses Allow. Nothing is downloaded: Go has the modules already, or the tests are skipped. */

const cwd = join(import.meta.dirname, 'go-apps');
const env = { ...process.env, GOPROXY: 'off', GOTOOLCHAIN: 'local', GOFLAGS: '-mod=readonly' };
const TOOLS = { 'oauth2-proxy': 'github.com/oauth2-proxy/oauth2-proxy/v7', base: 'github.com/pocketbase/pocketbase/examples/base' };
const skip =
  spawnSync('go', ['list', '-deps', 'tool'], { cwd, env, stdio: 'ignore' }).status !== 0 &&
  'no Go with oauth2-proxy and PocketBase: see docs/clients.md';

describe('Go applications', { skip }, () => {
  let server: TestServer;
  let folder: string;
  before(async () => {
    [server, folder] = await Promise.all([startTestServer(), mkdtemp(join(tmpdir(), 'clients-go-apps-'))]);
  });
  after(() => Promise.all([server.close(), rm(folder, { recursive: true })]));

  /** @param name of the program. @returns where it was built. */
  function build(name: keyof typeof TOOLS): string {
    const binary = join(folder, name);
    const built = spawnSync('go', ['build', '-o', binary, TOOLS[name]], { cwd, env, encoding: 'utf8' });
    assert.equal(built.status, 0, built.stderr);
    return binary;
  }

  /** Runs a server while `use` runs. @param health an address that answers 200 once the server is ready. */
  async function running(command: string, options: string[], health: string, use: () => Promise<void>): Promise<void> {
    const child = spawn(command, options, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (part) => {
        output += part;
      });
    }
    const ended = once(child, 'close');
    const answers = () =>
      fetch(health).then(
        ({ ok }) => ok,
        () => false,
      );
    try {
      await eventually(`${command} is ready`, async () => {
        assert.equal(child.exitCode, null, 'it ended');
        return answers();
      });
      await use();
    } catch (error) {
      throw new Error(`${command} printed:\n${output}`, { cause: error });
    } finally {
      child.kill();
      await ended;
    }
  }

  describe('oauth2-proxy', () => {
    it('signs in, tells the application behind it who the user is, refreshes, and signs out', async () => {
      const user = await server.createPerson();
      const application = await openApp(() => (request, response) => void response.end(JSON.stringify(request.headers)));
      const port = await freePort();
      const origin = `http://localhost:${port}`;
      const redirectUri = `${origin}/oauth2/callback`;
      const client = await register(server, { redirect_uris: [redirectUri], grant_types: ['authorization_code', 'refresh_token'] });
      const options = [
        '--provider=oidc',
        `--client-id=${client.client_id}`,
        `--client-secret=${client.client_secret}`,
        `--redirect-url=${redirectUri}`,
        `--oidc-issuer-url=${server.issuer}`,
        '--email-domain=*',
        '--cookie-secret=a secret of 32 bytes for a test.',
        '--cookie-secure=false',
        `--http-address=127.0.0.1:${port}`,
        `--upstream=${application.origin}`,
        // Makes the refresh visible: a token older than this is refreshed, and the application sees each token.
        '--cookie-refresh=1s',
        '--pass-access-token',
      ];
      try {
        await running(build('oauth2-proxy'), options, `${origin}/ping`, async () => {
          const visitor = new Visitor(server.issuer, { email: user.email, password: user.password });
          const { action, hidden } = (await visitor.visit(`${origin}/`)).form();
          const headersAt = async (address: string) => JSON.parse((await visitor.visit(address)).html);
          const seen = await headersAt(`${origin}${action}?${new URLSearchParams(hidden)}`);
          assert.deepEqual(
            [seen['x-forwarded-email'], seen['x-forwarded-user'], seen['x-forwarded-preferred-username']],
            [user.email, user.id, user.username],
          );

          let later = seen;
          await eventually('the application sees a new token', async () => {
            later = await headersAt(`${origin}/`);
            return later['x-forwarded-access-token'] !== seen['x-forwarded-access-token'];
          });
          assert.equal(later['x-forwarded-email'], user.email);

          await visitor.visit(`${origin}/oauth2/sign_out`);
          assert.equal((await visitor.visit(`${origin}/`)).response.status, 403);
        });
      } finally {
        application.close();
      }
    });
  });

  describe('PocketBase', () => {
    it('creates a record with the name and e-mail of the user, from userinfo and from the ID token, and finds it again', async () => {
      const port = await freePort();
      const origin = `http://localhost:${port}`;
      const redirectURL = `${origin}/redirect.html`;
      const client = await register(server, { redirect_uris: [redirectURL], grant_types: ['authorization_code'] });
      const superuser = { identity: 'root@people.example', password: 'a password for this test' };
      const binary = build('base');
      const common = ['--dev=false', `--dir=${join(folder, 'pocketbase')}`];
      const made = spawnSync(binary, ['superuser', 'upsert', superuser.identity, superuser.password, ...common], { encoding: 'utf8' });
      assert.equal(made.status, 0, made.stderr);

      await running(binary, ['serve', `--http=127.0.0.1:${port}`, ...common], `${origin}/api/health`, async () => {
        const call = async (path: string, body?: unknown, token = '', method = body ? 'POST' : 'GET') => {
          const headers = { authorization: token, 'content-type': 'application/json' };
          const response = await fetch(`${origin}/api/collections/${path}`, { method, headers, body: body ? JSON.stringify(body) : null });
          const answer = await response.json();
          assert.equal(response.status, 200, JSON.stringify(answer));
          return answer;
        };
        const { token } = await call('_superusers/auth-with-password', superuser);
        const provider = {
          clientId: client.client_id,
          clientSecret: client.client_secret,
          authURL: `${server.issuer}/oauth/authorize`,
          tokenURL: `${server.issuer}/oauth/token`,
        };
        // As the forms of its dashboard do: the user comes from userinfo, or else from an ID token whose keys and issuer are known.
        const providers = [
          { ...provider, name: 'oidc', userInfoURL: `${server.issuer}/oauth/userinfo` },
          { ...provider, name: 'oidc2', extra: { jwksURL: `${server.issuer}/oauth/jwks`, issuers: [server.issuer] } },
        ];
        await call('users', { oauth2: { enabled: true, providers } }, token, 'PATCH');

        for (const name of ['oidc', 'oidc2']) {
          const user = await server.createPerson();
          const visitor = new Visitor(server.issuer, { email: user.email, password: user.password });
          const signIn = async () => {
            const methods: { oauth2: { providers: { name: string; authURL: string; state: string; codeVerifier: string }[] } } =
              await call('users/auth-methods');
            const begun = methods.oauth2.providers.find((method) => method.name === name);
            assert(begun);
            const answer = (await visitor.answerTo(begun.authURL + encodeURIComponent(redirectURL))).searchParams;
            assert.equal(answer.get('state'), begun.state);
            const { codeVerifier } = begun;
            return call('users/auth-with-oauth2', { provider: name, code: answer.get('code'), codeVerifier, redirectURL });
          };
          const first = await signIn();
          assert.deepEqual([first.meta.id, first.meta.email, first.meta.isNew], [user.id, user.email, true]);
          const record = await call(`users/records/${first.record.id}`, undefined, token);
          assert.deepEqual([record.email, record.name, record.verified], [user.email, '홍길동', true]);

          const again = await signIn();
          assert.deepEqual([again.record.id, again.meta.isNew], [first.record.id, false]);
        }
      });
    });
  });
});
