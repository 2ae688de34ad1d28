import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { verifyClient } from '../../src/oauth/clients/store.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { obtainTokens, type TestClient } from '../support/flow.ts';
import { navigate } from '../support/navigate.ts';
import { type Page, Person } from '../support/person.ts';
import { unchanged } from '../support/storage.ts';

const BYE = 'https://client.example/bye?from=us';

describe("A client's sign-out request (OpenID Connect RP-Initiated Logout 1.0)", () => {
  let server: TestServer;
  let [app, verified, other]: TestClient[] = [];
  before(async () => {
    server = await startTestServer();
    const metadata = { post_logout_redirect_uris: [BYE, 'com.example.app:/bye'], application_type: 'native' };
    app = await server.createClient({ client_name: 'Moonlight', ...metadata });
    verified = await server.createClient(metadata);
    await server.database.change(verifyClient(verified.client_id, 'Moonlight Inc.'));
    other = await server.createClient();
  });
  after(() => server.close());

  const known = async (client = app as TestClient) => {
    const tokens = await obtainTokens(server, client, await server.createPerson());
    return { browser: tokens.person, id_token: String(tokens.id_token) };
  };
  type Asked = Record<string, string>;
  const leave = (browser: Person, parameters: Asked, method = 'GET') =>
    method === 'GET'
      ? browser.open(`/oauth/logout?${new URLSearchParams(parameters)}`)
      : browser.open('/oauth/logout', {
          method,
          body: new URLSearchParams(parameters),
          headers: { origin: 'https://client.example', 'sec-fetch-site': 'cross-site' },
        });
  const atHome = (page: Page) => assert.equal(page.url.origin, server.issuer, page.url.href);
  const isSignedIn = async (browser: Person) => (await browser.request('/account')).status === 200;
  /** A token with another payload no longer matches its signature. */
  const forged = (hint: string) => {
    const [header, payload, signature] = hint.split('.') as [string, string, string];
    const claims = { ...JSON.parse(Buffer.from(payload, 'base64url').toString()), sub: 'somebody' };
    return [header, Buffer.from(JSON.stringify(claims)).toString('base64url'), signature].join('.');
  };

  describe('without a session here', () => {
    it('redirects at once to a verified client with a valid ID token, expired or not, by GET and POST', async () => {
      const { id_token } = await known(verified);
      for (const method of ['GET', 'POST'])
        for (const parameters of [{}, { client_id: (verified as TestClient).client_id }] as Asked[]) {
          const asked = { id_token_hint: id_token, post_logout_redirect_uri: BYE, state: 'a b&c', ...parameters };
          const page = await unchanged(server, () => leave(new Person(server.issuer), asked, method));
          assert.equal(page.url.href, 'https://client.example/bye?from=us&state=a+b%26c');
          assert.equal(page.response.status, 303);
        }
      const page = await leave(new Person(server.issuer), { id_token_hint: id_token, post_logout_redirect_uri: 'com.example.app:/bye' });
      assert.equal(page.response.headers.get('location'), 'com.example.app:/bye');
    });

    it('redirects without an ID token too', async () => {
      const { client_id } = verified as TestClient;
      const page = await leave(new Person(server.issuer), { client_id, post_logout_redirect_uri: BYE });
      assert.equal(page.url.href, BYE);
    });

    it('shows a link to any other client, because a redirect for anyone would be an open redirector', async () => {
      const { id_token } = await known();
      const { client_id } = app as TestClient;
      const asked = { post_logout_redirect_uri: BYE, state: '"><script>' };
      // Anyone can register a client and get an ID token from it, so that token vouches for nothing (RFC 9700 section 4.11.2).
      for (const hint of [
        { client_id },
        { client_id, id_token_hint: 'garbage' },
        { id_token_hint: forged(id_token) },
        { id_token_hint: id_token },
      ] as Asked[]) {
        const page = await unchanged(server, () => navigate(server, `/oauth/logout?${new URLSearchParams({ ...asked, ...hint })}`));
        assert.deepEqual([page.status, page.headers.location, page.headers['refresh']], [200, undefined, undefined]);
        assert(page.html.includes('href="https://client.example/bye?from=us&amp;state=%22%3E%3Cscript%3E"'), page.html);
        assert.match(page.html, /<h1>You are signed out<\/h1>[\s\S]*Moonlight[\s\S]*client\.example/);
        assert.doesNotMatch(page.html, /<form|<script>/);
      }
    });

    it("never leads to an address that the client did not register, or that is another client's", async () => {
      const { id_token } = await known();
      const [mine, theirs] = [(verified as TestClient).client_id, (other as TestClient).client_id];
      for (const asked of [
        { id_token_hint: id_token, post_logout_redirect_uri: 'https://evil.example/bye' },
        { id_token_hint: id_token, post_logout_redirect_uri: `${BYE}&more` },
        { id_token_hint: id_token, post_logout_redirect_uri: 'javascript:alert(1)' },
        { id_token_hint: id_token, client_id: theirs, post_logout_redirect_uri: BYE },
        { client_id: mine, post_logout_redirect_uri: 'https://evil.example/' },
        { client_id: theirs, post_logout_redirect_uri: BYE },
        { client_id: 'nobody', post_logout_redirect_uri: BYE },
        { client_id: '\0', post_logout_redirect_uri: BYE },
        { post_logout_redirect_uri: BYE },
      ]) {
        const page = await unchanged(server, () => leave(new Person(server.issuer), asked as Asked));
        atHome(page);
        assert.doesNotMatch(page.html, /href="(https:\/\/(evil|client)\.example|javascript)/, JSON.stringify(asked));
      }
      // An invalid hint outweighs the operator's verification: the requester is unknown.
      const page = await leave(new Person(server.issuer), {
        client_id: mine,
        id_token_hint: forged(id_token),
        post_logout_redirect_uri: BYE,
      });
      atHome(page);
    });
  });

  describe('with a session', () => {
    it('always shows a button that signs out, and leads nowhere if the request could not be verified', async () => {
      const { id_token } = await known();
      const { client_id } = app as TestClient;
      const asked: Asked[] = [
        { client_id, id_token_hint: 'garbage', post_logout_redirect_uri: BYE },
        { id_token_hint: forged(id_token), post_logout_redirect_uri: BYE },
        { id_token_hint: `${id_token.slice(0, -8)}AAAAAAAA`, post_logout_redirect_uri: BYE },
        { id_token_hint: id_token, client_id: (other as TestClient).client_id, post_logout_redirect_uri: BYE },
        { id_token_hint: id_token, post_logout_redirect_uri: 'https://evil.example/' },
        { client_id, post_logout_redirect_uri: 'https://evil.example/', state: 's' },
        { client_id: 'nobody', post_logout_redirect_uri: BYE },
      ];
      for (const parameters of asked)
        for (const method of ['GET', 'POST']) {
          const { browser } = await known();
          const page = await leave(browser, parameters, method);
          atHome(page);
          assert.equal(page.response.status, 200);
          assert.match(page.html, /<button[^>]*name="logout"/, JSON.stringify(parameters));
          assert.match(page.html, /After that you stay on this site/);
          assert(await isSignedIn(browser), 'until the button is pressed');
          const after = await page.submit({ logout: 'yes' });
          atHome(after);
          assert.equal(after.url.pathname, '/oauth/logout/success');
          assert(!(await isSignedIn(browser)));
        }
    });

    it('asks by GET and POST, and redirects after the button was pressed', async () => {
      for (const method of ['GET', 'POST']) {
        const { browser, id_token } = await known();
        const page = await leave(browser, { id_token_hint: id_token, post_logout_redirect_uri: BYE, state: 's' }, method);
        assert.match(page.html, /<h1>Sign out\?<\/h1>/);
        assert.doesNotMatch(page.html, /After that you stay/);
        assert.equal((await page.submit({ logout: 'yes' })).url.href, `${BYE}&state=s`);
        assert(!(await isSignedIn(browser)));
      }
    });
  });

  it("stores its errors for the client's owners", async () => {
    const { client_id } = await server.createClient();
    await leave(new Person(server.issuer), { client_id, post_logout_redirect_uri: 'https://evil.example/', state: 'secret-state' });
    const noted = () => server.sql('select endpoint, error, description, detail::text from client_error where client_id = $1', [client_id]);
    await eventually('it is kept', async () => (await noted()).length === 1);
    const [row] = await noted();
    assert.deepEqual([row?.['endpoint'], row?.['description']], ['end_session', 'post_logout_redirect_uri not registered']);
    assert.doesNotMatch(JSON.stringify(row), /secret-state/);
  });
});
