import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { addOwner } from '../../src/oauth/clients/owners.ts';
import type { ClientMetadata } from '../../src/oauth/clients/store.ts';
import { openAccount, send } from '../support/account.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { type Credentials, introspect, type TestClient } from '../support/flow.ts';
import { type Page, Person } from '../support/person.ts';
import { makeClient } from '../support/portal.ts';
import { dumpTables, unchanged } from '../support/storage.ts';

const field = (page: Page, name: string) => String(new RegExp(`name="${name}" value="([^"]*)"`).exec(page.html)?.[1]);
const hrefOf = (page: Page) => String(/href="(\/oauth\/authorize[^"]+)"/.exec(page.html)?.[1]).replaceAll('&amp;', '&');
const chosenOn = (page: Page) => /<option value="([^"]*)" selected>/.exec(page.html)?.[1];

describe('The API of a client’s tokens', () => {
  let server: TestServer;
  let owner: Credentials & { id: string };
  let posts: string;
  before(async () => {
    server = await startTestServer();
    owner = await server.createPerson();
    posts = `${server.issuer}/api/posts`;
  });
  after(() => server.close());

  const english = () => Object.assign(new Person(server.issuer), { headers: { 'accept-language': 'en' } });
  const at = (client: { client_id: string }, page = '/try') => `/developer/clients/${client.client_id}${page}`;
  async function own(metadata: Partial<ClientMetadata> = {}): Promise<TestClient & { client_secret: string }> {
    const client = await server.createClient(metadata);
    await server.database.change(addOwner(client.client_id, owner.id));
    return client;
  }
  const resourceOf = async (client: { client_id: string }) =>
    (await server.sql(`select metadata->>'resource' as resource, publisher from client where id = $1`, [client.client_id]))[0];

  it('follows from the scopes, can be chosen, and is in every request that the portal sends and shows', async () => {
    const client = await own({ token_endpoint_auth_method: 'none', grant_types: ['authorization_code'], scope: 'openid api posts:read' });
    await server.sql(`update client set publisher = 'Somebody', verified_at = now() where id = $1`, [client.client_id]);
    const page = await send(await openAccount(server, owner, at(client), english()), at(client), { act: 'add' });
    assert.equal(chosenOn(page), posts);
    assert.deepEqual(
      ['scope', 'resource'].map((name) => new URL(hrefOf(page), server.issuer).searchParams.get(name)),
      ['openid posts:read', posts],
    );
    const code = await page.person.open(hrefOf(page)).then((consent) => consent.submit({ decision: 'approve' }));
    const tokens = await send(code, at(client), { act: 'redeem', sealed: field(code, 'sealed') });
    assert.match(tokens.html, /api\/posts<\/code> → <code>200/);
    assert.match(tokens.html, new RegExp(`is for this API: <bdi><code>${posts}</code>`));
    const over = await send(tokens, at(client), { act: 'revoke', sealed: field(tokens, 'sealed'), scope: field(tokens, 'scope') });
    assert.equal(over.response.status, 200);

    const chosen = await send(page, at(client, '/api'), { api: server.issuer, page: 'snippets' });
    assert.equal(chosen.url.pathname, at(client, '/snippets'));
    assert.equal(chosenOn(chosen), server.issuer);
    assert.doesNotMatch(chosen.html, /resource[=&"]/);
    assert.match(chosen.html, /scope=openid\+api&#39;/);
    assert.deepEqual(await resourceOf(client), { resource: server.issuer, publisher: 'Somebody' });
    const back = await send(page, at(client, '/api'), { api: posts, page: 'preview' });
    assert.equal(back.url.pathname, at(client, '/preview'));
    assert.match(back.html, /Read posts/);
    const code2 = await page.person.open(at(client, '/snippets'));
    // In curl twice, in Node twice, in Python twice, in Go twice and in Spring once.
    assert.equal(
      code2.html.match(new RegExp(`(resource(=|: &quot;|=&quot;|&quot;, &quot;))(${posts}|${encodeURIComponent(posts)})`, 'g'))?.length,
      9,
    );
    const events = await server.sql(
      `select detail from audit_event where type = 'client_changed' and client_id = $1 and detail ? 'changes'`,
      [client.client_id],
    );
    assert.deepEqual(events, [{ detail: { changes: ['resource'] } }, { detail: { changes: ['resource'] } }]);
  });

  it('is in the request of a service, whose token is for it alone', async () => {
    const client = await own({ grant_types: ['client_credentials'], response_types: [], redirect_uris: [], scope: 'api posts:read' });
    const page = await openAccount(server, owner, at(client), english());
    const tokens = await send(page, at(client), { act: 'token', scope: 'posts:read', client_secret: client.client_secret });
    assert.match(tokens.html, /api\/posts<\/code> → <code>200/);
    const chosen = await send(page, at(client, '/api'), { api: server.issuer, page: 'try' });
    assert.match(chosen.html, /id="own-scope"[^>]* value="api"/);
    const own_ = await send(chosen, at(client), { act: 'token', scope: 'api', client_secret: client.client_secret });
    const token = /&quot;access_token&quot;: &quot;([^&]+)&quot;/.exec(own_.html)?.[1];
    assert.equal((await introspect(server, client, String(token)))['scope'], 'api');
  });

  it('cannot be an unknown one, nor one of a client of another owner', async () => {
    const client = await own();
    const page = await openAccount(server, owner, at(client), english());
    const theirs = await server.createClient();
    await unchanged(server, async () => {
      for (const api of ['', 'https://unknown.example/', `${server.issuer}/admin/api`])
        assert.equal((await send(page, at(client, '/api'), { api })).response.status, 400);
      assert.equal((await send(page, at(theirs, '/api'), { api: server.issuer })).response.status, 404);
    });
  });

  describe('A trial after a client was created', () => {
    const service = { place: 'service', person: 'no', scope: [], redirect_uris: '' };

    it('has the secret that was just shown, in this browser and for this client alone', async () => {
      const made = await makeClient(server, owner, service, english());
      const page = await made.page.person.open(at(made));
      assert.match(page.html, /secret that you just created/);
      assert.doesNotMatch(page.html, /name="client_secret"/);
      const tokens = await send(page, at(made), { act: 'token' });
      assert.match(tokens.html, /&quot;access_token&quot;/);
      const other = await openAccount(server, owner, at(made), english());
      assert.match(other.html, /name="client_secret"/, 'another browser asks');
      const second = await own();
      assert.match((await made.page.person.open(at(second))).html, /name="client_secret"|name="act" value="add"/);
      assert(!JSON.stringify([await dumpTables(server), server.logLines()]).includes(String(made.client_secret)));
      assert(!made.page.person.cookies().join().includes(String(made.client_secret)));
    });

    it('says why it failed and what helps, asks for the secret again, and begins again', async () => {
      const made = await makeClient(server, owner, service, english());
      await server.sql(`update client_secret set digest = sha256('another') where client_id = $1`, [made.client_id]);
      const page = await made.page.person.open(at(made));
      const failed = await send(page, at(made), { act: 'token' });
      assert.equal(failed.response.status, 422);
      assert.match(failed.html, /invalid_client[\s\S]*Cause:<\/strong> The client secret is wrong or has expired/);
      assert.match(failed.html, /Fix:<\/strong> Compare the first/);
      assert.match(failed.html, new RegExp(`href="${at(made)}">Try again`));
      assert.match(failed.html, /name="client_secret"/);
      assert.match((await page.person.open(at(made))).html, /name="client_secret"/, 'the old one is forgotten');
      assert.deepEqual(await server.sql('select 1 from token where client_id = $1', [made.client_id]), []);
    });

    it('leads from an answer that was used to a new trial', async () => {
      const client = await own({ token_endpoint_auth_method: 'none', grant_types: ['authorization_code'] });
      const page = await send(await openAccount(server, owner, at(client), english()), at(client), { act: 'add' });
      const denied = await (await page.person.open(hrefOf(page))).submit({ decision: 'deny' });
      assert.match(denied.html, /access_denied[\s\S]*The user denied the request/);
      const again = await page.person.open(denied.url.href);
      assert.equal(again.response.status, 400);
      assert.match(again.html, new RegExp(`href="${at(client)}"`));
    });
  });
});
