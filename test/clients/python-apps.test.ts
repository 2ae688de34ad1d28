import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startBrowser } from '../support/browser.ts';
import { drive, pythonWith } from '../support/client-driver.ts';
import { freePort, startTestServer, type TestServer } from '../support/environment.ts';
import { openMcpApi, registerMcpApi } from '../support/mcp-api.ts';
import { comeToPortal, SCOPE } from '../support/owned-apis.ts';
import { startProgram } from '../support/program.ts';
import { forgetRegistrations, register } from '../support/registration.ts';
import { Visitor } from '../support/visitor.ts';

/** Whole applications in Python, each in a process of its own (python/*.py), with a user who only signs in and presses Allow. */

type Who = { sub: string; email: string | null; scope: string | null };

describe('Applications in Python', () => {
  let server: TestServer;
  let user: { id: string; email: string; password: string; username: string };
  before(async () => {
    server = await startTestServer();
    user = await server.createPerson();
  });
  after(() => server.close());

  const run = <Result>(python: string, script: string, settings: Record<string, unknown>) =>
    drive<Result>(server, user, [python, join(import.meta.dirname, 'python', script)], settings);

  /** A client that registered itself for an app that listens on localhost, as its developer would type it in. */
  async function onLoopback(path: string, signsOut = false) {
    const port = await freePort();
    const redirectUri = `http://localhost:${port}${path}`;
    const client = await register(server, {
      redirect_uris: [redirectUri],
      post_logout_redirect_uris: signsOut ? [redirectUri] : [],
      grant_types: ['authorization_code', 'refresh_token'],
    });
    return { port, redirectUri, clientId: client.client_id, clientSecret: client.client_secret };
  }

  const fastmcp = pythonWith('fastmcp');
  it("FastMCP's client registers itself, signs a user in, and calls a tool", { skip: fastmcp.skip }, async () => {
    const api = await openMcpApi(server);
    const seen = await run<{ sub: string; scopes: string[] }>(fastmcp.python, 'fastmcp_client.py', { api: `${api.origin}/mcp` });
    api.close();
    await forgetRegistrations(server);
    assert.deepEqual(seen, { sub: user.id, scopes: [SCOPE.name] });
  });

  it("FastMCP's server accepts JWT access tokens for its API", { skip: fastmcp.skip }, async () => {
    const port = await freePort();
    await registerMcpApi(server, await comeToPortal(server), `http://localhost:${port}/mcp`, 'jwt');
    const seen = await run<Who>(fastmcp.python, 'fastmcp_server.py', { port, scope: SCOPE.name });
    await forgetRegistrations(server);
    assert.deepEqual(seen, { sub: user.id, email: null, scope: SCOPE.name });
  });

  it("FastMCP's OIDCProxy passes the sign-in on, and its tool sees the e-mail", { skip: fastmcp.skip }, async () => {
    const client = await onLoopback('/auth/callback');
    await registerMcpApi(server, await comeToPortal(server), `http://localhost:${client.port}/mcp`);
    assert.deepEqual(await run<Who>(fastmcp.python, 'fastmcp_server.py', client), { sub: user.id, email: user.email, scope: null });
  });

  const builder = pythonWith('flask_appbuilder, authlib.integrations.flask_client, requests');
  it('Flask-AppBuilder registers a user with the e-mail', { skip: builder.skip }, async () => {
    const { users } = await run<{ users: string[][] }>(builder.python, 'fab_oauth.py', await onLoopback('/oauth-authorized/munjigi'));
    assert.deepEqual(users, [[user.username, user.email, '홍길동']]);
  });

  const hub = pythonWith('jupyterhub.app, oauthenticator.generic');
  /** Signs in to a hub. @param more settings of GenericOAuthenticator. @returns the hub's page, which names its user. */
  async function hubOf(more: Record<string, unknown>): Promise<string> {
    const client = await onLoopback('/hub/oauth_callback');
    const settings = { issuer: server.issuer, unused: await freePort(), ...client, more };
    const program = await startProgram(
      client.port,
      () => [hub.python, '-m', 'jupyterhub', '-f', join(import.meta.dirname, 'python/jupyterhub_config.py')],
      { CLIENT_SETTINGS: JSON.stringify(settings) },
    );
    try {
      const page = await new Visitor(server.issuer, user).visit(`http://localhost:${client.port}/hub/oauth_login?next=/hub/home`);
      assert.equal(page.url.pathname, '/hub/home', program.output() + page.html);
      return page.html;
    } finally {
      await program.stop();
    }
  }

  it("JupyterHub's GenericOAuthenticator knows a user by the e-mail", { skip: hub.skip }, async () => {
    const more = { userdata_url: `${server.issuer}/oauth/userinfo`, scope: ['openid', 'email'], username_claim: 'email' };
    assert.match(await hubOf(more), new RegExp(`"${user.email}"`));
  });

  it("JupyterHub's GenericOAuthenticator with its defaults reads the user name from /api/user", { skip: hub.skip }, async () => {
    assert.match(await hubOf({ userdata_url: `${server.issuer}/api/user` }), new RegExp(`"${user.username}"`));
  });

  const streamlit = pythonWith('streamlit, authlib');
  it('Streamlit signs a user in, shows the e-mail, and signs out', { skip: streamlit.skip }, async () => {
    const { port, ...client } = await onLoopback('/oauth2callback', true);
    const secrets = {
      redirect_uri: client.redirectUri,
      cookie_secret: 'a secret of this test alone',
      client_id: client.clientId,
      client_secret: client.clientSecret,
      server_metadata_url: `${server.issuer}/.well-known/openid-configuration`,
    };
    const lines = Object.entries(secrets).map(([name, value]) => `${name} = ${JSON.stringify(value)}\n`);
    const program = await startProgram(port, async (folder) => {
      await mkdir(join(folder, '.streamlit'));
      await writeFile(join(folder, '.streamlit/secrets.toml'), `[auth]\n${lines.join('')}`);
      const script = join(import.meta.dirname, 'python/streamlit_app.py');
      const options = ['--server.port', String(port), '--server.headless', 'true', '--browser.gatherUsageStats', 'false'];
      return [streamlit.python, '-m', 'streamlit', 'run', script, ...options];
    });
    const browser = await startBrowser();
    try {
      const page = await (await browser.person()).newPage();
      await page.goto(`http://localhost:${port}/`);
      await page.getByRole('button', { name: 'Log in' }).click();
      await page.fill('input[name=email]', user.email);
      await page.fill('input[name=password]', user.password);
      await page.press('input[name=password]', 'Enter');
      await page.click('button[value=approve]');
      await page.getByText(user.email).waitFor();
      // Only the app ends its session. It asks for `select_account`, so the user chooses, and has pressed Allow before.
      await page.getByRole('button', { name: 'Log out' }).click();
      await page.getByRole('button', { name: 'Stay signed in' }).click();
      await page.getByRole('button', { name: 'Log in' }).click();
      await page.click('button[value=same]');
      await page.getByText(user.email).waitFor();
      await page.getByRole('button', { name: 'Log out' }).click();
      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.getByRole('button', { name: 'Log in' }).waitFor();
      assert.equal(new URL(page.url()).port, String(port));
    } catch (error) {
      throw new Error(program.output(), { cause: error });
    } finally {
      await browser.close();
      await program.stop();
    }
  });
});
