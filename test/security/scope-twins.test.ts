import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { authorizePath, pkce, redeem, type TestClient, type Tokens } from '../support/flow.ts';
import { API, comeToPortal, fill, knowsScope, registerApi, SCOPE } from '../support/owned-apis.ts';
import { type Page, Person } from '../support/person.ts';

/** A developer registers an API with a scope named like one of another API, and gives it a harmless description. */
describe('Equal scope names at two APIs', () => {
  let server: TestServer;
  let posts: string;
  before(async () => {
    server = await startTestServer();
    posts = `${server.issuer}/api/posts`;
    const developer = await comeToPortal(server);
    const path = await registerApi(developer, { name: 'Weather' });
    await fill(developer, `${path}/scopes`, { ...SCOPE, name: 'posts:write', title_ko: '날씨 보기', title_en: 'See the weather' });
    await fill(developer, `${path}/scopes`, {
      ...SCOPE,
      name: 'posts:read',
      title_ko: '기온 보기',
      title_en: 'See how warm it is',
      choice: 'always',
    });
    await fill(developer, `${path}/scopes`, { ...SCOPE, name: 'weather:last' });
    await knowsScope(server, 'weather:last');
  });
  after(() => server.close());

  const ask = async (client: TestClient, scope: string) => {
    const person = await server.createPerson();
    const { code_verifier, ...challenge } = pkce();
    const browser = new Person(server.issuer);
    const signIn = await browser.open(authorizePath(client, { ...challenge, scope, resource: [posts, API.identifier] }));
    return { page: await signIn.submit({ email: person.email, password: person.password }), code_verifier };
  };
  const tickOf = (page: Page, title: string) =>
    new RegExp(`name="scope" value="([^"]+)"[^>]*>(?:(?!</li>)[^])*${title}`).exec(page.html)?.[1] ?? '';
  const allowedTo = async ({ client_id }: TestClient) => {
    const [{ resources } = {}] = await server.sql(`select payload->'resources' as resources from grant_record where client_id = $1`, [
      client_id,
    ]);
    return resources as Record<string, string>;
  };
  const scopeAt = async (client: TestClient, page: Page, code_verifier: string, resource: string) => {
    const code = String(page.url.searchParams.get('code'));
    const response = await redeem(server, client, { code, code_verifier, redirect_uri: client.redirect_uri }, { resource });
    return ((await response.json()) as Tokens).scope ?? '';
  };

  for (const [ticked, title, resource] of [
    ['one', 'See the weather', 'posts'],
    ['the other', 'Write, change and delete posts in your name', 'weather'],
  ])
    it(`are two scopes: a user who allows ${ticked} has not allowed its twin`, async () => {
      const client = await server.createClient({ required_scope: 'openid' });
      const { page, code_verifier } = await ask(client, 'openid posts:write');
      const tick = tickOf(page, String(title));
      assert(tick, page.html.slice(0, 4_000));
      const answered = await page.submit({ scope: [tick], decision: 'approve' });
      const resources = await allowedTo(client);
      const [allowed, twin] = resource === 'posts' ? [API.identifier, posts] : [posts, API.identifier];
      assert.deepEqual([resources[allowed], resources[twin] ?? ''], ['posts:write', '']);
      assert.doesNotMatch(await scopeAt(client, answered, code_verifier, twin), /posts:/, 'no token opens the twin');
    });

  it('do not become required because the twin is', async () => {
    const client = await server.createClient({ required_scope: 'posts:read' });
    const { page } = await ask(client, 'openid posts:read posts:write');
    await page.submit({ scope: [], decision: 'approve' });
    const resources = await allowedTo(client);
    assert.deepEqual([resources[posts], resources[API.identifier] ?? ''], ['posts:read', ''], 'the owner of the other lets people choose');
  });
});
