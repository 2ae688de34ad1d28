import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startBrowser, type TestBrowser } from '../support/browser.ts';
import { freePort, startTestServer, type TestServer } from '../support/environment.ts';
import { startProgram } from '../support/program.ts';
import { register } from '../support/registration.ts';

/**
 * mod_auth_openidc in an Apache of the test's own: its configuration, log and pages are in a temporary folder.
 * The user sits in Chromium, since the module sends only a browser that navigates (Sec-Fetch-Mode) to sign in.
 */

const MODULES = '/usr/lib/apache2/modules';
const skip =
  (!existsSync(`${MODULES}/mod_auth_openidc.so`) || spawnSync('apache2', ['-v'], { stdio: 'ignore' }).status !== 0) &&
  'no Apache with mod_auth_openidc: see docs/clients.md';

const asRoot = process.getuid?.() === 0;

/** The page shows what the module tells applications behind it: these are the headers of its default names. */
const PAGE = `<!--#echo var="REMOTE_USER" -->|<!--#echo var="OIDC_CLAIM_email" -->|<!--#echo var="OIDC_CLAIM_name" encoding="none" -->`;

describe('Apache with mod_auth_openidc', { skip }, () => {
  let server: TestServer;
  let browser: TestBrowser;
  before(async () => {
    [server, browser] = await Promise.all([startTestServer(), startBrowser()]);
  });
  after(() => Promise.all([server.close(), browser.close()]));

  it('signs a user in, and tells the application the e-mail and the name', async () => {
    const user = await server.createPerson();
    const port = await freePort();
    const redirectUri = `http://localhost:${port}/private/callback`;
    const client = await register(server, { redirect_uris: [redirectUri] });
    const apache = await startProgram(port, async (folder) => {
      await mkdir(join(folder, 'pages/private'), { recursive: true });
      // Started by root, it serves as another user, who has to read the pages.
      await chmod(folder, 0o755);
      await writeFile(join(folder, 'pages/private/index.shtml'), PAGE);
      await writeFile(
        join(folder, 'apache.conf'),
        `
        ServerRoot ${folder}
        ServerName localhost
        Listen 127.0.0.1:${port}
        PidFile ${folder}/apache.pid
        DefaultRuntimeDir ${folder}
        ErrorLog ${folder}/error.log
        ${asRoot ? 'User www-data\n        Group www-data' : ''}
        LoadModule mpm_event_module ${MODULES}/mod_mpm_event.so
        LoadModule authn_core_module ${MODULES}/mod_authn_core.so
        LoadModule authz_core_module ${MODULES}/mod_authz_core.so
        LoadModule authz_user_module ${MODULES}/mod_authz_user.so
        LoadModule mime_module ${MODULES}/mod_mime.so
        LoadModule dir_module ${MODULES}/mod_dir.so
        LoadModule include_module ${MODULES}/mod_include.so
        LoadModule auth_openidc_module ${MODULES}/mod_auth_openidc.so
        TypesConfig /dev/null
        DocumentRoot ${folder}/pages
        DirectoryIndex index.shtml
        AddType text/html .shtml
        AddDefaultCharset utf-8
        AddOutputFilter INCLUDES .shtml

        OIDCProviderMetadataURL ${server.issuer}/.well-known/openid-configuration
        OIDCClientID ${client.client_id}
        OIDCClientSecret ${client.client_secret}
        OIDCRedirectURI ${redirectUri}
        OIDCCryptoPassphrase ${client.registration_access_token}
        OIDCScope "openid email profile"
        <Directory ${folder}/pages>
          Options +Includes
        </Directory>
        <Location /private>
          AuthType openid-connect
          Require valid-user
        </Location>
        `,
      );
      return ['apache2', '-X', '-f', join(folder, 'apache.conf')];
    });
    try {
      const page = await (await browser.person()).newPage();
      await page.goto(`http://localhost:${port}/private/`);
      await page.fill('input[name=email]', user.email);
      await page.fill('input[name=password]', user.password);
      await page.press('input[name=password]', 'Enter');
      await page.click('button[value=approve]');
      await page.waitForURL(`http://localhost:${port}/**`);
      assert.deepEqual((await page.innerText('body')).split('|'), [`${user.id}@${server.issuer}`, user.email, '홍길동']);
    } catch (error) {
      throw new Error(await readFile(join(apache.folder, 'error.log'), 'utf8'), { cause: error });
    } finally {
      await apache.stop();
    }
  });
});
