import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { load } from 'cheerio/slim';
import packageJson from '../../package.json' with { type: 'json' };
import { addOwner } from '../../src/oauth/clients/owners.ts';
import { openAccount, send } from '../support/account.ts';
import { startBrowser } from '../support/browser.ts';
import { freePort, startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import type { Credentials, TestClient } from '../support/flow.ts';
import { openMcpApi } from '../support/mcp-api.ts';
import { type Page, Person } from '../support/person.ts';
import { makeClient } from '../support/portal.ts';
import { unchanged } from '../support/storage.ts';
import { Visitor } from '../support/visitor.ts';

/** The quick starts of the portal, walked as a developer does: create an app, save the files that the page shows, run them, sign in. */

const ROOT = join(import.meta.dirname, '../..');
const PYTHON = process.env['CLIENTS_PYTHON'] ?? 'python3';
const GO = { ...process.env, GOPROXY: 'off', GOTOOLCHAIN: 'local', GOFLAGS: '-mod=mod' };
const has = (command: string, options: string[], more = {}) => spawnSync(command, options, { stdio: 'ignore', ...more }).status === 0;
const go = has('go', ['list', '-deps', './go-oidc'], { cwd: join(ROOT, 'test/clients/go'), env: { ...GO, GOFLAGS: '-mod=readonly' } });
/** The version of the quick start, with the plugin that builds its jar. */
const SPRING = ['spring-boot-starter-oauth2-client', 'spring-boot-starter-web', 'spring-boot-maven-plugin'].map((name) =>
  join(homedir(), `.m2/repository/org/springframework/boot/${name}/3.5.7`),
);
const spring = has('mvn', ['--version']) && SPRING.every((folder) => existsSync(folder));

describe('Quick starts', () => {
  let server: TestServer;
  let user: Credentials & { id: string };
  let folder: string;
  before(async () => {
    server = await startTestServer();
    user = await server.createPerson();
    const home = join(ROOT, '.data/test');
    await mkdir(home, { recursive: true });
    folder = await mkdtemp(join(home, 'quick-starts-'));
    // What `npm install` of the first step leaves in the folder.
    await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  });
  after(async () => {
    await server.close();
    await rm(folder, { recursive: true });
  });

  type App = TestClient & { page: Page; path: string };

  /** An app made by the portal's form. @param answers with a redirect URI on a free port. */
  async function created(answers: Record<string, string | string[]>): Promise<App> {
    const english = Object.assign(new Person(server.issuer), { headers: { 'accept-language': 'en' } });
    const made = await makeClient(server, user, { scope: ['openid', 'profile', 'email'], ...answers }, english);
    const { client_id, client_secret, redirect_uri, page } = made;
    return { client_id, ...(client_secret && { client_secret }), redirect_uri, page, path: `/developer/clients/${client_id}/snippets` };
  }

  /** Saves the files of a quick start. @returns its page. */
  async function saved({ page, path }: App, name: string): Promise<ReturnType<typeof load>> {
    const $ = load((await page.person.open(`${path}?for=${name}`)).html);
    assert($('[id^=file-]').length, `no files of ${name}`);
    for (const code of $('pre code[id^=file-]').toArray()) {
      const file = join(folder, $(`#${code.attribs['id']}-name`).text());
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, $(code).text());
    }
    return $;
  }

  type Running = { child: ChildProcess; said(): string };

  /** Runs a command in the folder until it says which address to open. */
  async function run(app: App, command: string, more: NodeJS.ProcessEnv = {}): Promise<Running> {
    const env = { ...process.env, CLIENT_SECRET: app.client_secret, ...more };
    const child = spawn('sh', ['-c', command], { cwd: folder, env, detached: true });
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => {
        said += chunk;
      });
    await eventually('it shows an address', () => {
      assert.equal(child.exitCode, null, said);
      return /http:\/\/\S+/.test(said);
    });
    return { child, said: () => said };
  }
  const stop = ({ child }: Running) => child.pid && child.exitCode === null && process.kill(-child.pid, 'SIGKILL');

  async function walk(app: App, { command, start, env = {} }: { command: string; start: string; env?: NodeJS.ProcessEnv }): Promise<Page> {
    const running = await run(app, command, env);
    try {
      const { origin } = new URL(app.redirect_uri);
      await eventually('it answers', () =>
        fetch(origin, { redirect: 'manual' }).then(
          () => true,
          () => false,
        ),
      );
      return await new Visitor(server.issuer, user).visit(origin + start);
    } finally {
      stop(running);
    }
  }

  const at = async (path: string) => ({ place: 'server', person: 'yes', redirect_uris: `http://localhost:${await freePort()}${path}` });

  it('name the versions with which this test walks them', async () => {
    const app = await created(await at('/callback'));
    const spa = await created({ place: 'browser', redirect_uris: `http://localhost:${await freePort()}/callback` });
    const versions: Record<string, string> = packageJson.devDependencies;
    for (const [one, name] of [
      [app, 'express'],
      [app, 'authjs'],
      [app, 'mcp'],
      [spa, 'oidc_client_ts'],
    ] as const) {
      const install = load((await one.page.person.open(`${one.path}?for=${name}`)).html)('#install').text();
      for (const [, library = '', version = ''] of install.matchAll(/ (@?[\w/-]+)@([\d.]+)/g))
        assert.match(versions[library] ?? '', new RegExp(`^${version.replace('.', '\\.')}\\.`), library);
    }
  });

  it('Express: the profile has the email of the user', async () => {
    const app = await created(await at('/callback'));
    await saved(app, 'express');
    const { html } = await walk(app, { command: 'node server.mjs', start: '/profile' });
    assert.equal(JSON.parse(html).email, user.email);
  });

  it('Auth.js: the session has the email of the user', async () => {
    const app = await created(await at('/auth/callback/munjigi'));
    await saved(app, 'authjs');
    const running = await run(app, 'node server.mjs');
    try {
      const { origin } = new URL(app.redirect_uri);
      const visitor = new Visitor(server.issuer, user);
      const choice = await visitor.visit(`${origin}/auth/signin`);
      const { html } = await visitor.goOn(await choice.submit({}));
      assert.equal(JSON.parse(html).email, user.email);
    } finally {
      stop(running);
    }
  });

  it('oidc-client-ts: the page shows the email of the user', async () => {
    const app = await created({ place: 'browser', redirect_uris: `http://localhost:${await freePort()}/callback` });
    await saved(app, 'oidc_client_ts');
    const [running, browser] = await Promise.all([run(app, 'node server.mjs'), startBrowser()]);
    try {
      const page = await (await browser.person()).newPage();
      await page.goto(new URL(app.redirect_uri).origin);
      await page.click('#sign-in');
      await page.fill('input[name=email]', user.email);
      await page.fill('input[name=password]', user.password);
      await page.press('input[name=password]', 'Enter');
      await page.click('button[value=approve]');
      await page.locator('#user', { hasText: user.email }).waitFor();
    } finally {
      stop(running);
      await browser.close();
    }
  });

  it('MCP client: it lists the tools of a server whose API the app has', async () => {
    const api = await openMcpApi(server);
    try {
      for (const place of ['browser', 'server']) {
        const redirect_uris = `http://localhost:${await freePort()}/callback`;
        const app = await created({ place, redirect_uris, api: `${api.origin}/mcp`, scope: ['openid', 'books:read'] });
        await saved(app, 'mcp');
        const running = await run(app, 'node client.mjs');
        try {
          const address = /http:\/\/\S+\/oauth\/authorize\S+/.exec(running.said())?.[0] ?? '';
          assert.equal(new URL(address).searchParams.get('resource'), `${api.origin}/mcp`);
          const closed = await new Visitor(server.issuer, user).visit(address);
          assert.match(closed.html, /You can close this page/);
          await eventually('the tools are listed', () => /Tools: whoami/.test(running.said()));
        } finally {
          stop(running);
        }
      }
    } finally {
      api.close();
    }
  });

  it('Go: the callback has the email of the user', { skip: !go && 'no Go with go-oidc: see docs/clients.md' }, async () => {
    const app = await created(await at('/callback'));
    await saved(app, 'go');
    // The modules of `go get` are at hand for test/clients/go; nothing is downloaded.
    const modules = join(ROOT, 'test/clients/go');
    const prepare = `cp ${modules}/go.sum . && sed 's/^module .*/module app/' ${modules}/go.mod > go.mod`;
    const built = spawnSync('sh', ['-c', `${prepare} && go build -o app main.go`], { cwd: folder, env: GO, encoding: 'utf8' });
    assert.equal(built.status, 0, built.stderr);
    const { html } = await walk(app, { command: './app', start: '/sign-in' });
    assert.equal(JSON.parse(html).email, user.email);
  });

  const allauth = !has(PYTHON, ['-c', 'import allauth.socialaccount, requests']) && 'no Python with django-allauth: see docs/clients.md';
  it('Django: the site has a user with the email', { skip: allauth }, async () => {
    const app = await created(await at('/accounts/oidc/munjigi/login/callback/'));
    const $ = await saved(app, 'django');
    const command = $('#run').text().replaceAll('python ', `${PYTHON} `);
    const running = await run(app, `${command} --noreload`, { PYTHONUNBUFFERED: '1' });
    try {
      const { origin } = new URL(app.redirect_uri);
      await eventually('it answers', () =>
        fetch(origin).then(
          ({ ok }) => ok,
          () => false,
        ),
      );
      const visitor = new Visitor(server.issuer, user);
      // allauth asks by a form of its own first.
      const asked = await visitor.visit(`${origin}/accounts/oidc/munjigi/login/`);
      const csrfmiddlewaretoken = load(asked.html)('[name=csrfmiddlewaretoken]').attr('value') ?? '';
      const begun = await visitor.at(origin).open(asked.url.href, { method: 'POST', body: new URLSearchParams({ csrfmiddlewaretoken }) });
      const { html } = await visitor.goOn(begun);
      assert.equal(JSON.parse(html).email, user.email);
    } finally {
      stop(running);
    }
  });

  it('Spring: the page has the email of the user', {
    skip: !spring && 'no Maven with Spring Boot 3.5.7: see docs/clients.md',
  }, async () => {
    const app = await created(await at('/login/oauth2/code/munjigi'));
    await saved(app, 'spring');
    const built = spawnSync('mvn', ['-q', '-o', 'package', '-DskipTests'], { cwd: folder, encoding: 'utf8' });
    assert.equal(built.status, 0, built.stdout);
    const { html } = await walk(app, { command: 'echo http://localhost/ && java -jar target/app-1.0.0.jar', start: '/' });
    assert.match(html, new RegExp(`email=${user.email}`));
  });

  const dotnet = !has('dotnet', ['--version']) && 'no .NET SDK';
  it('ASP.NET: the page has the email of the user', { skip: dotnet }, async () => {
    const app = await created(await at('/signin-oidc'));
    await saved(app, 'aspnet');
    const built = spawnSync('dotnet', ['build', '-o', 'out'], { cwd: folder, encoding: 'utf8' });
    assert.equal(built.status, 0, built.stdout);
    const { html } = await walk(app, { command: 'dotnet out/app.dll', start: '/' });
    assert.equal(JSON.parse(html).email, user.email);
  });

  it('an app without an address on loopback gets one by a press, and another owner’s app gets none', async () => {
    const app = await created({ place: 'server', person: 'yes', redirect_uris: 'https://walk.example/callback' });
    const before = await app.page.person.open(`${app.path}?for=authjs`);
    assert.match(before.html, /First allow its redirect URI: <bdi><code>http:\/\/localhost:3000\/auth\/callback\/munjigi/);
    const done = await send(before, app.path, { for: 'authjs' });
    assert.equal(done.url.searchParams.get('for'), 'authjs');
    assert.doesNotMatch(done.html, /First allow its redirect URI/);
    const [row] = await server.sql(`select metadata->'redirect_uris' as uris from client where id = $1`, [app.client_id]);
    assert.deepEqual(row?.['uris'], ['https://walk.example/callback', 'http://localhost:3000/auth/callback/munjigi']);
    const theirs = await server.createClient();
    await unchanged(server, async () => {
      assert.equal((await send(before, app.path, { for: 'oidc_client_ts' })).response.status, 400);
      assert.equal((await send(before, `/developer/clients/${theirs.client_id}/snippets`, { for: 'authjs' })).response.status, 404);
    });
  });

  it('no text of the app becomes code: its id is a literal in each file', async () => {
    const client = await server.createClient({ client_name: `</script><script>alert(1)//'";` });
    await server.database.change(addOwner(client.client_id, user.id));
    const english = Object.assign(new Person(server.issuer), { headers: { 'accept-language': 'en' } });
    for (const name of ['authjs', 'express', 'django', 'spring', 'go', 'aspnet', 'mcp']) {
      const path = `/developer/clients/${client.client_id}/snippets`;
      const page = await openAccount(server, user, path, english);
      const $ = load((await page.person.open(`${path}?for=${name}`)).html);
      assert.doesNotMatch($('pre').text(), /alert\(1\)/, name);
      assert(!$('pre').text().includes(String(client.client_secret)), name);
    }
  });
});
