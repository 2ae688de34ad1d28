import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { addOwner } from '../../src/oauth/clients/owners.ts';
import type { ClientMetadata } from '../../src/oauth/clients/store.ts';
import { openAccount, send } from '../support/account.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { type Credentials, clientCredentials, type TestClient } from '../support/flow.ts';
import { type Page, Person } from '../support/person.ts';

/** A developer tries a client by the portal's own pages. */
describe('Try it', () => {
  let server: TestServer;
  let owner: Credentials & { id: string };
  before(async () => {
    server = await startTestServer();
    owner = await server.createPerson();
  });
  after(() => server.close());

  const PUBLIC = { token_endpoint_auth_method: 'none', grant_types: ['authorization_code', 'refresh_token'] };

  async function own(metadata: Partial<ClientMetadata> = {}): Promise<TestClient & { client_secret: string }> {
    const client = await server.createClient(metadata);
    await server.database.change(addOwner(client.client_id, owner.id));
    return client;
  }
  const pathOf = (client: TestClient) => `/developer/clients/${client.client_id}/try`;
  const callback = () => `${server.issuer}/developer/try/callback`;
  const uris = async (client: TestClient) =>
    (await server.sql(`select metadata->'redirect_uris' as uris from client where id = $1`, [client.client_id]))[0]?.['uris'];

  /** The page with a request on it, its address added. */
  async function ready(client: TestClient, person = new Person(server.issuer)): Promise<Page> {
    const page = await openAccount(server, owner, pathOf(client), person);
    return send(page, pathOf(client), { act: 'add' });
  }
  const hrefOf = (page: Page) => String(/href="(\/oauth\/authorize[^"]+)"/.exec(page.html)?.[1]).replaceAll('&amp;', '&');

  async function walk(page: Page): Promise<Page> {
    const consent = await page.person.open(hrefOf(page));
    return consent.html.includes('name="decision"') ? consent.submit({ scope: consent.optionalScopes, decision: 'approve' }) : consent;
  }
  const field = (page: Page, name: string) => String(new RegExp(`name="${name}" value="([^"]*)"`).exec(page.html)?.[1]);

  it('a public client: address, request, code, tokens, a call, and the end of the tokens', async () => {
    const client = await own(PUBLIC);
    const page = await ready(client);
    assert.deepEqual(await uris(client), ['https://client.example/callback', callback()]);
    const code = await walk(page);
    assert.equal(code.url.pathname, '/developer/try/callback');
    assert.match(code.html, /Step 2: the authorization code/i);
    const tokens = await send(code, pathOf(client), { act: 'redeem', sealed: field(code, 'sealed') });
    assert.equal(tokens.response.status, 200);
    assert.match(tokens.html, /&quot;access_token&quot;[\s\S]*userinfo<\/code> → <code>200/);
    const handed = { act: 'revoke', sealed: field(tokens, 'sealed'), scope: field(tokens, 'scope') };
    assert.equal((await server.sql('select 1 from token where client_id = $1', [client.client_id])).length, 2);
    const over = await send(tokens, pathOf(client), handed);
    assert.match(over.html, /now refused[\s\S]*→ <code>401/);
    assert.deepEqual(await server.sql('select 1 from token where client_id = $1', [client.client_id]), []);
  });

  it('a confidential client: by a secret that is pasted, used and forgotten; a wrong one leaves the code', async () => {
    const client = await own();
    const code = await walk(await ready(client));
    assert.match(code.html, /CLIENT_SECRET/);
    assert(!code.html.includes(client.client_secret));
    const fields = { act: 'redeem', sealed: field(code, 'sealed') };
    const wrong = await send(code, pathOf(client), { ...fields, client_secret: 'wrong-secret' });
    assert.equal(wrong.response.status, 422);
    assert.match(wrong.html, /invalid_client/);
    const tokens = await send(wrong, pathOf(client), {
      act: 'redeem',
      sealed: field(wrong, 'sealed'),
      client_secret: client.client_secret,
    });
    assert.match(tokens.html, /&quot;access_token&quot;/);
    assert(![...server.logLines(), tokens.html].some((text) => text.includes(client.client_secret)));
  });

  it('asks for the scopes that were chosen, for no more, and for who the person is where none were', async () => {
    for (const [scope, prompt] of [
      ['openid email api', null],
      ['profile posts:read posts:write', null],
      ['openid profile offline_access', 'consent'],
      [undefined, null],
    ] as const) {
      const client = await own({ ...PUBLIC, ...(scope && { scope }) });
      const { searchParams } = new URL(hrefOf(await ready(client)), server.issuer);
      assert.deepEqual(
        ['scope', 'prompt', 'resource'].map((name) => searchParams.get(name)),
        [scope ?? 'openid profile email', prompt, scope?.includes('posts:') ? `${server.issuer}/api/posts` : null],
      );
      const { html } = await openAccount(server, owner, `/developer/clients/${client.client_id}/snippets`);
      const asked = new URLSearchParams({ scope: scope ?? 'openid profile email' }).toString();
      assert.match(
        html,
        new RegExp(`${asked.replaceAll('+', '\\+')}(&amp;resource=[^&]+)?(&amp;prompt=consent)?&#39;`),
        'so does the code to copy',
      );
      // In curl, Node, Python, Go and Spring.
      assert.equal(html.match(/prompt(=|&quot;, &quot;|: &#39;|=&quot;)consent/g)?.length ?? 0, prompt ? 5 : 0);
    }
  });

  it('a client without people: the token request alone', async () => {
    const client = await own({ grant_types: ['client_credentials'], response_types: [], redirect_uris: [] });
    const page = await openAccount(server, owner, pathOf(client));
    assert.doesNotMatch(page.html, /oauth\/authorize/);
    const tokens = await send(page, pathOf(client), { act: 'token', scope: 'api', client_secret: client.client_secret });
    assert.match(tokens.html, /&quot;access_token&quot;[\s\S]*\/api\/data<\/code> → <code>200/);
    assert.equal((await send(page, pathOf(client), { act: 'token', client_secret: 'wrong' })).response.status, 422);
  });

  it('what came back is shown when the person says no', async () => {
    const client = await own(PUBLIC);
    const page = await ready(client);
    const asked = await page.person.open(hrefOf(page));
    const denied = await asked.submit({ decision: 'deny' });
    assert.match(denied.html, /access_denied/);
  });

  it('an answer is taken once, and by nobody else', async () => {
    const client = await own(PUBLIC);
    const page = await ready(client);
    const code = await walk(page);
    for (const spelling of [code.url.href, code.url.href.replace(/(state=[^&]+)/, '$1.x')]) {
      const again = await page.person.open(spelling);
      assert.equal(again.response.status, 400);
      assert.match(again.html, /This trial has ended/);
    }

    const fresh = await ready(client);
    const state = String(new URL(hrefOf(fresh), server.issuer).searchParams.get('state'));
    const answer = (given: string, more = {}) =>
      `/developer/try/callback?${new URLSearchParams({ code: 'forged', state: given, iss: server.issuer, ...more })}`;
    const other = new Person(server.issuer);
    await openAccount(server, owner, '/account', other);
    const stranger = new Person(server.issuer);
    await openAccount(server, await server.createPerson(), '/account', stranger);
    for (const person of [other, stranger]) assert.equal((await person.open(answer(state))).response.status, 400);
    for (const forged of ['', 'x', `x${state}`, state.replace(/(.)(.{9})$/, (_all, one, rest) => (one === 'A' ? 'B' : 'A') + rest)])
      assert.equal((await fresh.person.open(answer(forged))).response.status, 400);
    assert.equal((await fresh.person.open(answer(state, { iss: 'https://attacker.example' }))).response.status, 400);
    assert.deepEqual(await server.sql('select 1 from token where client_id = $1', [client.client_id]), []);
    // None of these has used it up.
    assert.equal((await fresh.person.open(answer(state))).response.status, 200);
  });

  it("another owner's client is not there, and nothing of it changes", async () => {
    const client = await own(PUBLIC);
    const theirs = await server.createClient(PUBLIC);
    const page = await ready(client);
    const person = page.person;
    assert.equal((await person.open(pathOf(theirs))).response.status, 404);
    assert.equal((await send(page, pathOf(theirs), { act: 'add' })).response.status, 404);
    assert.deepEqual(await uris(theirs), ['https://client.example/callback']);
    const code = await walk(page);
    const second = await own(PUBLIC);
    assert.equal((await send(code, pathOf(second), { act: 'redeem', sealed: field(code, 'sealed') })).response.status, 400);
    for (const act of ['', 'toString', '__proto__']) assert.equal((await send(page, pathOf(client), { act })).response.status, 400);
  });

  it('the address goes as it came, the last one stays, and who was verified stays so', async () => {
    const client = await own(PUBLIC);
    await server.sql(`update client set publisher = 'Somebody', verified_at = now() where id = $1`, [client.client_id]);
    const page = await ready(client);
    await send(page, pathOf(client), { act: 'add' });
    assert.deepEqual(await uris(client), ['https://client.example/callback', callback()]);
    await send(page, pathOf(client), { act: 'remove' });
    assert.deepEqual(await uris(client), ['https://client.example/callback']);
    const [row] = await server.sql('select publisher from client where id = $1', [client.client_id]);
    assert.equal(row?.['publisher'], 'Somebody');
    const events = await server.sql(`select detail from audit_event where type = 'client_changed' and client_id = $1`, [client.client_id]);
    assert.equal(events.length, 2);
    const alone = await own({ ...PUBLIC, redirect_uris: [callback()] });
    await send(page, pathOf(alone), { act: 'remove' });
    assert.deepEqual(await uris(alone), [callback()]);
  });

  it('only that very address may be http', async () => {
    const register = (uri: string) =>
      fetch(`${server.issuer}/oauth/register`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ application_type: 'web', redirect_uris: ['https://client.example/callback', uri] }),
      });
    assert.equal((await register(callback())).status, 201);
    for (const uri of [`${callback()}/`, `${callback()}?x`, `${server.issuer}/developer/try`, callback().replace('localhost', '127.0.0.1')])
      assert.equal((await register(uri)).status, 400, uri);
  });

  it('a suspended client cannot be tried', async () => {
    const client = await own();
    await clientCredentials(server, client);
    await server.sql('update client set suspended_at = now() where id = $1', [client.client_id]);
    const page = await openAccount(server, owner, pathOf(client));
    assert.match(page.html, /suspended this app/);
  });
});
