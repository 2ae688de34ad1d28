import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { authorizePath, type Credentials, obtainTokens, pkce, post, type TestClient, type Tokens } from '../support/flow.ts';
import {
  API,
  comeToPortal,
  type Developer,
  fill,
  introspect,
  knowsScope,
  makeIntrospector,
  own,
  registerApi,
  SCOPE,
} from '../support/owned-apis.ts';
import { Person } from '../support/person.ts';

const OWN = 'https://films.example';

/** Tokens for one API: by the scope of the request and the resource of the redemption. */
const tokensFor = (server: TestServer, client: TestClient, person: Credentials, asked: { scope: string; resource: string }) =>
  obtainTokens(server, client, person, asked, { resource: asked.resource });

describe('An API that a developer registered', () => {
  let server: TestServer;
  let other: TestServer;
  let developer: Developer;
  let path: string;
  let introspector: TestClient;

  before(async () => {
    server = await startTestServer();
    other = await server.secondNode();
    developer = await comeToPortal(server);
    path = await registerApi(developer);
    await fill(developer, `${path}/scopes`, SCOPE);
    await fill(developer, `${path}/scopes`, { ...SCOPE, name: 'books:write', title_ko: '책장 고치기', title_en: 'Change it' });
    introspector = await makeIntrospector(developer, path);
    await Promise.all([knowsScope(server, 'books:write'), knowsScope(other, 'books:write')]);
  });
  after(async () => {
    await other.close();
    await server.close();
  });

  const forBooks = { scope: 'openid books:read books:write', resource: API.identifier };
  const credentials = async (client: TestClient, scope: string, resource = API.identifier) => {
    const response = await post(server, '/oauth/token', client, { grant_type: 'client_credentials', scope, resource });
    return (await response.json()) as Tokens & { error?: string };
  };

  it("is offered on every node, in its owner's words, with its host beside its name", async () => {
    const client = await server.createClient();
    const person = await server.createPerson();
    for (const node of [server, other]) {
      const browser = new Person(server.issuer);
      browser.headers = { 'accept-language': 'ko' };
      const { code_verifier: _, ...challenge } = pkce();
      const asked = await node.send(`${server.issuer}${authorizePath(client, { ...challenge, ...forBooks })}`, { redirect: 'manual' });
      assert.match(String(asked.headers.get('location')), /^\/interaction\//, await asked.text());
      if (node === other) continue;
      let page = await browser.open(authorizePath(client, { ...challenge, ...forBooks }));
      page = await page.submit({ email: person.email, password: person.password });
      assert.match(page.html, /<bdi class="small api">Books<\/bdi> <bdi class="small api">books\.example<\/bdi> <bdi>내 책장 보기<\/bdi>/);
    }
  });

  it("is in none of this server's lists, because there may be a thousand", async () => {
    for (const path of ['openid-configuration', 'oauth-authorization-server']) {
      const document = (await (await fetch(`${server.issuer}/.well-known/${path}`)).json()) as { scopes_supported: string[] };
      assert(document.scopes_supported.includes('posts:read') && !document.scopes_supported.includes('books:read'));
    }
  });

  it('has its tokens introspected only by its own client (RFC 7662 section 4)', async () => {
    const client = await server.createClient();
    const tokens = await tokensFor(server, client, await server.createPerson(), forBooks);
    const answer = await introspect(server, introspector, tokens.access_token);
    assert.deepEqual([answer['active'], answer['aud'], answer['scope']], [true, API.identifier, 'books:read books:write']);
    assert.equal(answer['username'], undefined, 'who the person is, is not its to know');
    assert.equal((await introspect(other, introspector, tokens.access_token))['active'], true);

    const elsewhere = await comeToPortal(server);
    const films = await registerApi(elsewhere, { identifier: OWN, name: 'Films' });
    const others: [who: string, client: TestClient][] = [
      ["another owner's client", await server.createClient()],
      ["another API's client", await makeIntrospector(elsewhere, films)],
      [
        'a public client',
        await server.createClient({ token_endpoint_auth_method: 'none' }).then(({ client_id }) => ({ client_id, redirect_uri: '' })),
      ],
    ];
    const [ofOwner, ofApi, open] = others.map(([, found]) => found.client_id);
    await own(server, String(ofOwner), elsewhere.id);
    await server.sql('update client set introspects = $1 where id = $2', [API.identifier, open]);
    for (const [who, caller] of others) assert.deepEqual(await introspect(server, caller, tokens.access_token), { active: false }, who);
    await server.sql('update client set introspects = null where id = $1', [open]);
    const foreign = await obtainTokens(server, client, await server.createPerson(), { scope: 'openid profile' });
    assert.deepEqual(await introspect(server, introspector, foreign.access_token), { active: false }, "a token of the server's own API");
    assert.equal(typeof ofApi, 'string');
  });

  it("gives its scopes to its owner's clients for themselves, and to no other self-registered client", async () => {
    const [theirs, strangers] = await Promise.all([server.createClient(), server.createClient()]);
    await server.sql(`update client set registration = 'dynamic' where id = any($1)`, [[theirs.client_id, strangers.client_id]]);
    await own(server, theirs.client_id, developer.id);
    await own(server, strangers.client_id, (await server.createPerson()).id);
    assert.equal((await credentials(theirs, 'books:read')).scope, 'books:read');
    assert.equal((await credentials(strangers, 'books:read')).error, 'invalid_scope');
    assert.equal(
      (await credentials(theirs, 'posts:read', `${server.issuer}/api/posts`)).error,
      'invalid_scope',
      'of an API that is not theirs',
    );
  });

  it("gets JWTs signed with ES256 for its audience and its owner's lifetime (RFC 9068)", async () => {
    const maker = await comeToPortal(server);
    const at = await registerApi(maker, { identifier: 'https://jwt.example', format: 'jwt', lifetime: '90' });
    await fill(maker, `${at}/scopes`, { ...SCOPE, name: 'signed' });
    await knowsScope(server, 'signed');
    const client = await server.createClient();
    const tokens = await tokensFor(server, client, await server.createPerson(), {
      scope: 'openid signed',
      resource: 'https://jwt.example',
    });
    const jwks = createLocalJWKSet(await (await fetch(`${server.issuer}/oauth/jwks`)).json());
    const { payload, protectedHeader } = await jwtVerify(tokens.access_token, jwks, {
      issuer: server.issuer,
      audience: 'https://jwt.example',
    });
    assert.deepEqual([protectedHeader.alg, protectedHeader.typ, payload['scope']], ['ES256', 'at+jwt', 'signed']);
    assert.equal(Number(payload.exp) - Number(payload.iat), 90);
  });

  it('can drop a scope: a client with that scope stays registered and cannot ask for it', async () => {
    await fill(developer, `${path}/scopes`, { ...SCOPE, name: 'books:lend' });
    await knowsScope(server, 'books:lend');
    const client = await server.createClient({ scope: 'openid books:lend books:read' });
    const lender = await server.createClient({ scope: 'books:lend' });
    const person = await server.createPerson();
    const browser = (await obtainTokens(server, client, person, { scope: 'openid books:lend', resource: API.identifier })).person;
    await fill(developer, `${path}/scopes`, { act: 'delete', name: 'books:lend' });
    await knowsScope(server, 'books:lend', false);
    const tokens = await tokensFor(server, client, person, { scope: 'openid books:read', resource: API.identifier });
    assert.equal((await introspect(server, introspector, tokens.access_token))['scope'], 'books:read');
    const { code_verifier: _, ...challenge } = pkce();
    const asked = await new Person(server.issuer).open(authorizePath(lender, { ...challenge, scope: 'openid profile' }));
    assert.equal(asked.url.searchParams.get('error'), 'invalid_scope', 'who is left with no scope has not become free to ask for any');
    assert.match((await browser.open('/account/apps')).html, /books:lend/, 'what was allowed is not kept quiet');
  });

  it('is deleted with its tokens and consents, so that the next owner of its identifier starts with nothing', async () => {
    const maker = await comeToPortal(server);
    const identifier = 'https://short.example';
    const at = await registerApi(maker, { identifier, name: 'Short' });
    await fill(maker, `${at}/scopes`, { ...SCOPE, name: 'short' });
    const speaker = await makeIntrospector(maker, at);
    await knowsScope(server, 'short');
    const client = await server.createClient();
    const person = await server.createPerson();
    const tokens = await tokensFor(server, client, person, { scope: 'openid profile short', resource: identifier });
    const beside = await tokensFor(server, client, person, forBooks);
    assert.match((await maker.browser.open(`${at}/delete`)).html, /1 user[\s\S]*There is 1 valid token/);

    assert.equal((await fill(maker, `${at}/delete`)).response.status, 422);
    assert.equal((await introspect(server, speaker, tokens.access_token))['active'], true, 'without a tick nothing ends');
    await fill(maker, `${at}/delete`, { certain: 'yes' });
    assert.deepEqual(await introspect(server, speaker, tokens.access_token), { active: false });
    assert.deepEqual(await introspect(server, client, tokens.access_token), { active: false });
    assert.equal((await introspect(server, introspector, beside.access_token))['active'], true, 'what else was allowed stays');
    await knowsScope(server, 'short', false);
    const refreshed = await post(server, '/oauth/token', client, {
      grant_type: 'refresh_token',
      refresh_token: String(tokens.refresh_token),
      resource: identifier,
    });
    assert.equal(((await refreshed.json()) as { error: string }).error, 'invalid_target');

    const heir = await comeToPortal(server);
    const again = await registerApi(heir, { identifier, name: 'Heir' });
    const its = await makeIntrospector(heir, again);
    await eventually(
      'the heir may introspect',
      async () => (await server.sql('select 1 from client where id = $1', [its.client_id])).length === 1,
    );
    assert.deepEqual(await introspect(server, its, tokens.access_token), { active: false });
    const [kept] = await server.sql('select payload from grant_record where client_id = $1', [client.client_id]);
    assert.deepEqual(Object.keys((kept?.['payload'] as { resources: object } | undefined)?.resources ?? {}), [API.identifier]);
  });
});
