import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { REDIRECT_URI, startTestServer, type TestServer } from '../support/environment.ts';
import { approve, authorizePath, pkce, type TestClient } from '../support/flow.ts';
import { Person } from '../support/person.ts';
import { assertRefusedHere } from '../support/refusals.ts';
import { unchanged } from '../support/storage.ts';

/** Addresses that an inexact comparison would confuse with the registered one. */
const LOOKALIKES: Record<string, string> = {
  'a longer path': `${REDIRECT_URI}/more`,
  'a suffix of the last segment': `${REDIRECT_URI}x`,
  'a trailing slash': `${REDIRECT_URI}/`,
  'another case in the path': 'https://client.example/Callback',
  'another case in the host': 'https://CLIENT.example/callback',
  'another case in the scheme': 'HTTPS://client.example/callback',
  'the default port spelled out': 'https://client.example:443/callback',
  'an added query': `${REDIRECT_URI}?next=1`,
  'an empty query': `${REDIRECT_URI}?`,
  'a fragment': `${REDIRECT_URI}#x`,
  'an empty fragment': `${REDIRECT_URI}#`,
  'a user name': 'https://client.example@evil.example/callback',
  'a user name before our host': 'https://evil@client.example/callback',
  'a path parameter that climbs': 'https://client.example/callback/..;/evil',
  'dot segments': 'https://client.example/callback/../evil',
  'encoded dot segments': 'https://client.example/%2e%2e/callback',
  'an encoded letter': 'https://client.example/c%61llback',
  'a backslash': 'https://client.example\\callback',
  'a subdomain': 'https://a.client.example/callback',
  'a longer host': 'https://client.example.evil.example/callback',
  'plain http': 'http://client.example/callback',
  'a leading space': ` ${REDIRECT_URI}`,
  'a trailing line break': `${REDIRECT_URI}\r\n`,
  'another site': 'https://evil.example/callback',
  'a script': 'javascript:alert(1)',
  'no absolute address': '//client.example/callback',
};

describe('Redirect URI at the authorization endpoint (RFC 9700 section 2.1)', () => {
  let server: TestServer;
  let client: TestClient;
  const { code_verifier: _, ...challenge } = pkce();
  before(async () => {
    server = await startTestServer();
    client = await server.createClient();
  });
  after(() => server.close());

  const ask = (who: TestClient, parameters: Record<string, string | string[] | undefined>) =>
    new Person(server.issuer).request(authorizePath(who, { ...challenge, ...parameters }));

  for (const [what, redirect_uri] of Object.entries(LOOKALIKES)) {
    it(`refuses ${what} on a page of this server, in any response mode`, async () => {
      for (const response_mode of [undefined, 'query', 'fragment', 'form_post', 'jwt', 'web_message'])
        await assertRefusedHere(await unchanged(server, () => ask(client, { redirect_uri, response_mode })));
    });
  }

  it('reports no other mistake to a wrong address', async () => {
    for (const mistake of [{ response_type: 'token' }, { scope: 'nonsense' }, { code_challenge: undefined }, { prompt: 'none' }])
      await assertRefusedHere(await unchanged(server, () => ask(client, { redirect_uri: 'https://evil.example/', ...mistake })));
  });

  it('is required, even if the client registered only one (OIDC Core section 3.1.2.1)', async () => {
    await assertRefusedHere(await unchanged(server, () => ask(client, { redirect_uri: undefined })));
    await assertRefusedHere(await unchanged(server, () => ask(client, { redirect_uri: '' })));
  });

  it('is refused when sent twice', async () => {
    await assertRefusedHere(await unchanged(server, () => ask(client, { redirect_uri: [REDIRECT_URI, 'https://evil.example/'] })));
    await assertRefusedHere(await unchanged(server, () => ask(client, { redirect_uri: [REDIRECT_URI, REDIRECT_URI] })));
  });

  it('is accepted exactly as registered', async () => {
    assert.match((await ask(client, {})).headers.get('location') ?? '', /\/interaction\//);
  });

  it('is refused if another client registered it', async () => {
    const other = await server.createClient({ redirect_uris: ['https://other.example/cb'] });
    await assertRefusedHere(await unchanged(server, () => ask(client, { redirect_uri: other.redirect_uri })));
  });
});

describe('Loopback redirect URI (RFC 8252 section 7.3)', () => {
  let server: TestServer;
  let native: TestClient;
  const { code_verifier: _, ...challenge } = pkce();
  before(async () => {
    server = await startTestServer();
    native = await server.createClient({
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      redirect_uris: ['http://127.0.0.1/cb', 'http://localhost:4000/cb', 'http://[::1]/cb'],
    });
  });
  after(() => server.close());

  const ask = (who: TestClient, redirect_uri: string) =>
    new Person(server.issuer).request(authorizePath(who, { ...challenge, redirect_uri }));

  it('is accepted with any port, and the code goes to that port', async () => {
    const person = await server.createPerson();
    for (const redirect_uri of ['http://127.0.0.1:49152/cb', 'http://localhost:50001/cb', 'http://[::1]:8080/cb']) {
      const browser = new Person(server.issuer);
      let page = await browser.open(authorizePath(native, { ...challenge, redirect_uri }));
      page = await page.submit({ email: person.email, password: person.password });
      if (page.html.includes('name="decision"')) page = await page.submit({ decision: 'approve' });
      assert.equal(page.url.origin, new URL(redirect_uri).origin);
      assert(page.url.searchParams.get('code'));
    }
  });

  it('is refused with another path, host or scheme, or an added query', async () => {
    for (const uri of [
      'http://127.0.0.1:49152/other',
      'http://127.0.0.1:49152/cb/',
      'http://127.0.0.1:49152/cb?x=1',
      'http://127.0.0.2:49152/cb',
      'http://127.0.0.1.evil.example:49152/cb',
      'http://evil@127.0.0.1:49152/cb',
      'https://127.0.0.1:49152/cb',
    ])
      await assertRefusedHere(await unchanged(server, () => ask(native, uri)));
  });

  it('may have any port and no final slash for a web client in development too', async () => {
    const web = await server.createClient({ redirect_uris: ['http://localhost/cb?a=1', 'http://localhost:3000', 'http://[::1]:3000/'] });
    for (const uri of ['http://localhost:5173/cb?a=1', 'http://localhost/', 'http://localhost', 'http://[::1]', 'http://[::1]:65535'])
      assert.match((await ask(web, uri)).headers.get('location') ?? '', /\/interaction\//, uri);
    for (const uri of [
      'http://localhost:5173/cb',
      'http://localhost:5173/cb?a=2',
      'http://localhost:5173/cb?a=1#x',
      'http://127.0.0.1:3000/',
      'http://localhost:65536/',
      'http://localhost:3000/\n',
      'http://localhost:3000@evil.example/',
      'http://localhost.evil.example:3000/',
      'HTTP://LOCALHOST:3000/x',
      'https://localhost:3000/',
    ])
      await assertRefusedHere(await unchanged(server, () => ask(web, uri)));
  });

  it('needs its own port when it is https', async () => {
    const web = await server.createClient({ redirect_uris: ['https://localhost:4000/cb', 'https://client.example:8443'] });
    for (const uri of ['https://localhost:4001/cb', 'https://client.example:8444', 'https://client.example:8443/'])
      await assertRefusedHere(await unchanged(server, () => ask(web, uri)));
  });

  it('may have any port after a sign-out too', async () => {
    const app = await server.createClient({ post_logout_redirect_uris: ['http://localhost:3000/bye', 'https://client.example/bye'] });
    const leave = (post_logout_redirect_uri: string) =>
      fetch(`${server.issuer}/oauth/logout?${new URLSearchParams({ client_id: app.client_id, post_logout_redirect_uri })}`, {
        redirect: 'manual',
      });
    assert.match(await (await leave('http://localhost:5173/bye')).text(), /href="http:\/\/localhost:5173\/bye/);
    for (const uri of ['http://localhost:5173/other', 'https://client.example:8443/bye']) {
      const page = await leave(uri);
      assert.equal(page.headers.get('location'), null, uri);
      assert(!(await page.text()).includes(`href="${uri}`), uri);
    }
  });

  it('is bound to the code with its port', async () => {
    const { code_verifier, ...fresh } = pkce();
    const person = await server.createPerson();
    const redirect_uri = 'http://127.0.0.1:49152/cb';
    const answer = await approve(server, new Person(server.issuer), person, authorizePath(native, { ...fresh, redirect_uri }));
    const response = await fetch(`${server.issuer}/oauth/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'authorization_code',
        client_id: native.client_id,
        code: String(answer.get('code')),
        code_verifier,
        redirect_uri: 'http://127.0.0.1:49153/cb',
      }),
    });
    assert.equal(response.status, 400);
    assert.equal(((await response.json()) as { error: string }).error, 'invalid_grant');
  });
});
