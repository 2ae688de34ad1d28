import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { decodeJwt } from 'jose';
import { inDoubleQuotes, inPython, inShell, inSpring } from '../../src/features/developer/snippets/quoting.ts';
import { addOwner } from '../../src/oauth/clients/owners.ts';
import type { ClientMetadata } from '../../src/oauth/clients/store.ts';
import { openAccount } from '../support/account.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { approve, type Credentials, type TestClient } from '../support/flow.ts';
import { Person } from '../support/person.ts';

/** The code that the portal shows, taken from its page as a developer copies it, and run. */

const DEBIAN_GO = '/usr/share/gocode';
const has = (command: string, ...options: string[]) => spawnSync(command, options, { stdio: 'ignore' }).status === 0;
const python = ['python3', '/usr/bin/python3'].find((name) => has(name, '-c', 'import authlib, requests'));
const go = has('go', 'version') && existsSync(join(DEBIAN_GO, 'src/golang.org/x/oauth2'));

type Language = { snippet: string; file: string; run: string[]; env?: Record<string, string>; missing?: string | false };

const LANGUAGES: Language[] = [
  {
    snippet: 'curl',
    file: 'sign-in.sh',
    run: ['sh', 'sign-in.sh'],
    missing: !(has('curl', '--version') && has('openssl', 'version')) && 'no curl or openssl',
  },
  { snippet: 'node', file: 'sign-in.mjs', run: [process.execPath, 'sign-in.mjs'] },
  { snippet: 'python', file: 'sign_in.py', run: [python ?? '', 'sign_in.py'], missing: !python && 'no Python with Authlib and requests' },
  {
    snippet: 'go',
    file: 'main.go',
    run: ['go', 'run', 'main.go'],
    env: { GO111MODULE: 'off', GOPATH: DEBIAN_GO },
    missing: !go && 'no Go with x/oauth2',
  },
];

describe('Code to copy', () => {
  let server: TestServer;
  let owner: Credentials & { id: string };
  let folder: string;
  before(async () => {
    server = await startTestServer();
    owner = await server.createPerson();
    // Below the repository, where Node finds the package that its snippet has installed.
    const home = join(import.meta.dirname, '../../.data/test');
    await mkdir(home, { recursive: true });
    folder = await mkdtemp(join(home, 'snippets-'));
  });
  after(async () => {
    await server.close();
    await rm(folder, { recursive: true });
  });

  async function own(metadata: Partial<ClientMetadata>): Promise<TestClient & { client_secret: string }> {
    const client = await server.createClient(metadata);
    await server.database.change(addOwner(client.client_id, owner.id));
    return client;
  }

  async function shown(client: TestClient, id: string): Promise<string> {
    const page = await openAccount(server, owner, `/developer/clients/${client.client_id}/snippets`);
    const text = new RegExp(`<code id="${id}"[^>]*>([\\s\\S]*?)</code>`).exec(page.html)?.[1];
    assert(text, `no ${id}`);
    return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&amp;', '&');
  }

  async function start(
    { snippet, file, run, env }: Language,
    flow: string,
    client: TestClient & { client_secret: string },
  ): Promise<ChildProcess> {
    await writeFile(join(folder, file), await shown(client, `${flow}-${snippet}`));
    const [command = '', ...options] = run;
    const secret = client.client_secret;
    return spawn(command, options, {
      cwd: folder,
      env: { ...process.env, GOCACHE: join(folder, 'go-cache'), CLIENT_SECRET: secret, ...env },
    });
  }

  /** What it says, until it has ended. @param answer gives it a line when it has shown an address. */
  async function runs(child: ChildProcess, answer?: (address: string) => Promise<string>): Promise<string> {
    let said = '';
    let answered = false;
    child.stderr?.on('data', (chunk) => {
      said += chunk;
    });
    child.stdout?.on('data', async (chunk) => {
      said += chunk;
      const address = /http\S+\/oauth\/authorize\?\S+(?=\s)/.exec(said)?.[0];
      if (!address || !answer || answered) return;
      answered = true;
      child.stdin?.end(`${await answer(address)}\n`);
    });
    const [code] = await once(child, 'close');
    assert.equal(code, 0, said);
    return said;
  }

  /** The claims of the access tokens that are JWTs: those of the API of posts are. */
  const jwtsIn = (said: string) =>
    [...said.matchAll(/eyJ[\w-]+\.[\w-]+\.[\w-]+/g)].map(([jwt]) => decodeJwt(jwt)).filter(({ scope }) => scope !== undefined);

  const signIn = async (address: string) => {
    const parameters = await approve(server, new Person(server.issuer), owner, address);
    return `https://client.example/callback?${parameters}`;
  };

  for (const language of LANGUAGES) {
    it(`${language.snippet}: signs a person in, with a secret and without`, { skip: language.missing }, async () => {
      for (const method of ['client_secret_basic', 'client_secret_post', 'none']) {
        const client = await own({ token_endpoint_auth_method: method, grant_types: ['authorization_code'] });
        assert.match(await runs(await start(language, 'code', client), signIn), /access.token/, method);
        assert.equal((await server.sql('select 1 from token where client_id = $1', [client.client_id])).length, 1);
      }
    });

    it(`${language.snippet}: gets a token of its own`, { skip: language.missing }, async () => {
      for (const scope of ['api', 'posts:read']) {
        const client = await own({ grant_types: ['client_credentials'], response_types: [], redirect_uris: [], scope });
        const said = await runs(await start(language, 'own', client));
        assert.match(said, /access.token/);
        assert.equal(jwtsIn(said)[0]?.aud, scope === 'api' ? undefined : `${server.issuer}/api/posts`);
      }
    });

    it(`${language.snippet}: signs a person in for the API whose scopes the client has`, { skip: language.missing }, async () => {
      const client = await own({ grant_types: ['authorization_code'], scope: 'openid posts:read api' });
      const [claims] = jwtsIn(await runs(await start(language, 'code', client), signIn));
      assert.deepEqual([claims?.aud, claims?.['scope']], [`${server.issuer}/api/posts`, 'posts:read']);
    });
  }

  it('no secret is in any of it, and no name', async () => {
    const client = await own({ client_name: `Moon'light\n"; $(id) \${x}`, grant_types: ['authorization_code', 'client_credentials'] });
    const page = await openAccount(server, owner, `/developer/clients/${client.client_id}/snippets`);
    const code = [...page.html.matchAll(/<pre>[\s\S]*?<\/pre>/g)].join('');
    assert.equal(code.match(/<pre>/g)?.length, 12);
    assert(!code.includes(client.client_secret));
    assert.doesNotMatch(code, /light/);
  });

  it("another owner's client has none", async () => {
    const client = await server.createClient();
    const page = await openAccount(server, owner, '/account');
    for (const id of [client.client_id, 'nobody', '%00'])
      assert.notEqual((await page.person.open(`/developer/clients/${id}/snippets`)).response.status, 200);
  });

  it('whatever a text has in it, its literal is that text and nothing else', () => {
    for (const text of [
      "it's",
      '"; id; "',
      `$(id) \`id\` \${HOME}`,
      'a\\b\n\r\tc',
      '</script> \u2028 한글 😀',
      "'''",
      '%s %d',
      `\\\${x}\\`,
    ]) {
      assert.equal(spawnSync('sh', ['-c', `printf %s ${inShell(text)}`]).stdout.toString(), text);
      assert.equal(JSON.parse(inDoubleQuotes(text)), text);
      assert.match(inDoubleQuotes(text), /^[\x20-\x7e]+$/);
      assert.doesNotMatch(JSON.parse(inSpring(text)), /(?<!\\)\$\{/);
      const printed =
        python && spawnSync(python, ['-c', `import sys; sys.stdout.buffer.write(${inPython(text)}.encode())`]).stdout.toString();
      if (python) assert.equal(printed, text);
    }
  });
});
