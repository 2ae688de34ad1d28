import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { deleteClient } from '../support/delete-client.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { authorizePath, pkce, type TestClient } from '../support/flow.ts';
import { type Page, Person } from '../support/person.ts';
import { register } from '../support/registration.ts';
import { unchanged } from '../support/storage.ts';

const APP = 'https://app.example/';

describe('The way on from a page that is no longer valid', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  const open = async (client: TestClient, person = new Person(server.issuer)) => {
    person.headers = { 'accept-language': 'en' };
    return person.open(authorizePath(client, { ...pkce(), code_verifier: undefined }));
  };
  const links = ({ html }: Page) => [...html.matchAll(/<li><a class="button wide" href="([^"]*)">/g)].map(([, href]) => href);
  /** Each is a page that says that it is too late, met in a way of its own. */
  const late: Record<string, (page: Page) => Promise<Page>> = {
    'that has expired': async (page) => {
      await server.sql("update protocol_record set expires_at = now() - interval '1 second' where kind = 'Interaction'");
      return unchanged(server, () => page.person.open(page.url.pathname));
    },
    'that is gone from the database': async (page) => {
      await server.sql("delete from protocol_record where kind = 'Interaction'");
      return unchanged(server, () => page.submit({ email: 'a@people.example', password: 'x' }));
    },
    'whose end was opened twice': async (page) => {
      const end = page.url.pathname.replace('/interaction/', '/oauth/authorize/');
      await server.sql("delete from protocol_record where kind = 'Interaction'");
      return unchanged(server, () => page.person.open(end));
    },
  };

  for (const [how, meet] of Object.entries(late)) {
    it(`${how}: to the app's own address that an operator registered, and to the account`, async () => {
      const page = await meet(await open(await server.createClient({ client_name: 'Moonlight', client_uri: APP })));
      assert.equal(page.response.status, 400);
      assert.match(page.html, /<h1>This page is no longer valid<\/h1>/);
      assert.deepEqual(links(page), [APP, '/account']);
      assert.match(page.html, /Start again in the app:&nbsp;<bdi>Moonlight<\/bdi>/);
    });

    it(`${how}: never to an address that only a stranger has vouched for`, async () => {
      const client = await register(server, { client_uri: 'https://evil.example/', initiate_login_uri: 'https://evil.example/login' });
      const page = await meet(await open(client));
      assert.deepEqual(links(page), ['/account']);
      assert.doesNotMatch(page.html, /evil\.example|Walk/);
    });
  }

  it('begins anew where the app says that a sign-in begins (OIDC Core section 4)', async () => {
    const client = await server.createClient({ client_uri: APP, initiate_login_uri: `${APP}login?from=us` });
    const page = await late['that has expired']?.(await open(client));
    assert.deepEqual(links(page as Page), [`${APP}login?from=us&amp;iss=${encodeURIComponent(server.issuer)}`, '/account']);
  });

  it('does not lead to an address without TLS, to one that runs code, or to a client that is gone', async () => {
    for (const metadata of [{ client_uri: 'http://app.example/' }, {}]) {
      const page = await late['that has expired']?.(await open(await server.createClient(metadata)));
      assert.deepEqual(links(page as Page), ['/account']);
    }
    const client = await server.createClient({ client_uri: APP });
    const opened = await open(client);
    await deleteClient(server, client.client_id);
    assert.deepEqual(links((await late['that has expired']?.(opened)) as Page), ['/account']);
  });

  it('knows the app by a cookie of ours alone: a stranger, and a cookie that somebody wrote, learn nothing', async () => {
    const client = await server.createClient({ client_name: 'Moonlight', client_uri: APP });
    const page = await open(client);
    const stranger = new Person(server.issuer);
    const foreign = await unchanged(server, () => stranger.open(page.url.pathname));
    assert.deepEqual(links(foreign), ['/account']);
    assert.doesNotMatch(foreign.html, /Moonlight/);
    const forger = new Person(server.issuer);
    forger.setCookie('app', Buffer.from(client.client_id).toString('base64url'));
    forger.setCookie('app.sig', 'x'.repeat(27));
    assert.deepEqual(links(await forger.open('/interaction/nothing')), ['/account']);
  });

  it('leads back to a page that still stands, from a form that was refused there', async () => {
    const page = await open(await server.createClient());
    const refused = await unchanged(server, () => page.submit({ csrf: 'guessed', email: 'a@people.example', password: 'x' }));
    assert.equal(refused.response.status, 403);
    assert.deepEqual(links(refused), [page.url.pathname]);
    assert.match((await page.person.open(String(links(refused)[0]))).html, /name="password"/);
  });
});
