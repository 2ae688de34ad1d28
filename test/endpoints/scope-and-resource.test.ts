import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { decodeJwt } from 'jose';
import { approveDevice, beginDevice, createDeviceClient, poll } from '../support/device.ts';
import { startTestServer, type TestServer } from '../support/environment.ts';
import {
  authorizePath,
  callApi,
  introspect,
  obtainCode,
  pkce,
  post,
  redeem,
  refresh,
  type TestClient,
  type Tokens,
} from '../support/flow.ts';
import { API, comeToPortal, fill, knowsScope, makeIntrospector, registerApi, SCOPE } from '../support/owned-apis.ts';
import { Person } from '../support/person.ts';
import { leadsTo } from '../support/refusals.ts';
import { unchanged } from '../support/storage.ts';

type Parameters = Record<string, string | string[] | undefined>;
type Answer = Tokens & { error?: string; error_description?: string };

/** What a client gets that omits `scope` or `resource`, or names unknown ones (RFC 6749 section 3.3, RFC 8707). */
describe('Scope and resource', () => {
  let server: TestServer;
  let posts: string;
  let introspector: TestClient;
  before(async () => {
    server = await startTestServer();
    posts = `${server.issuer}/api/posts`;
    const developer = await comeToPortal(server);
    const path = await registerApi(developer);
    await fill(developer, `${path}/scopes`, { ...SCOPE, name: 'books:read' });
    await fill(developer, `${path}/scopes`, { ...SCOPE, name: 'books:lend', sensitive: 'yes' });
    await fill(developer, `${path}/scopes`, { ...SCOPE, name: 'books:shelf', default: 'no' });
    const strict = await registerApi(developer, { identifier: 'https://strict.example', name: 'Strict', resource: 'required' });
    await fill(developer, `${strict}/scopes`, { ...SCOPE, name: 'strict:read' });
    await knowsScope(server, 'strict:read');
    introspector = await makeIntrospector(developer, path);
  });
  after(() => server.close());

  const words = (scope: string | undefined) => (scope ?? '').split(' ').sort().join(' ');

  /** A user who only presses Allow. */
  async function tokens(client: TestClient, parameters: Parameters, more: Record<string, string> = {}): Promise<Answer> {
    const code = await obtainCode(server, client, await server.createPerson(), parameters, undefined, { optional: [] });
    const response = await redeem(server, client, code, more);
    return (await response.json()) as Answer;
  }

  /** The error that the client gets in its redirect, without any page. */
  async function heard(client: TestClient, parameters: Parameters): Promise<URLSearchParams> {
    const { code_verifier: _, ...challenge } = pkce();
    const response = await new Person(server.issuer).request(authorizePath(client, { ...challenge, ...parameters }));
    return new URL(await leadsTo(response), server.issuer).searchParams;
  }

  const machine = async (client: TestClient, body: Record<string, string>) =>
    (await (await post(server, '/oauth/token', client, { grant_type: 'client_credentials', ...body })).json()) as Answer;

  describe('A request without scope', () => {
    it("gets the client's registered scopes, without sensitive ones", async () => {
      const client = await server.createClient({ scope: 'openid profile restricted' });
      for (const scope of [undefined, '', '   ']) assert.equal(words((await tokens(client, { scope })).scope), 'openid profile');
    });

    it('gets name and e-mail if the client registered none, and no ID token', async () => {
      const answer = await tokens(await server.createClient(), { scope: undefined });
      assert.deepEqual([words(answer.scope), answer.id_token], ['email profile', undefined]);
      const user = (await (await callApi(server, '/api/user', answer.access_token)).json()) as Record<string, unknown>;
      assert.match(String(user['email']), /@people\.example$/);
    });

    it('gets the default scopes of a named API, which its owner chose', async () => {
      assert.equal((await tokens(await server.createClient(), { scope: undefined, resource: API.identifier })).scope, 'books:read');
      assert.equal((await tokens(await server.createClient(), { scope: undefined, resource: posts })).scope, 'posts:read');
    });

    it('is invalid_scope before any page if no scope remains', async () => {
      const answer = await heard(await server.createClient({ scope: 'restricted' }), { scope: undefined });
      assert.equal(answer.get('error'), 'invalid_scope');
      assert.match(String(answer.get('error_description')), /name the scopes/);
    });

    it('of a client for itself gets its registered scopes, possibly none', async () => {
      assert.equal((await machine(await server.createClient({ scope: 'api restricted' }), {})).scope, 'api');
      const none = await machine(await server.createClient(), {});
      assert.deepEqual([typeof none.access_token, none.scope], ['string', undefined]);
    });
  });

  describe('An unknown scope', () => {
    it('is dropped beside known ones, and the response lists the granted scopes', async () => {
      assert.equal((await tokens(await server.createClient(), { scope: 'openid  nosuch\tprofile' })).scope, 'openid profile');
    });

    it('is invalid_scope alone, at every endpoint with a scope, and nothing is stored', async () => {
      const client = await server.createClient({
        grant_types: ['authorization_code', 'client_credentials', 'urn:ietf:params:oauth:grant-type:device_code'],
      });
      await unchanged(server, async () => {
        for (const scope of ['nosuch', 'OPENID openid,profile'])
          assert.equal((await heard(client, { scope })).get('error'), 'invalid_scope', scope);
        assert.equal((await machine(client, { scope: 'nosuch' })).error, 'invalid_scope');
        for (const path of ['/oauth/par', '/oauth/device_authorization']) {
          const { code_verifier: _, ...challenge } = pkce();
          const body = {
            client_id: client.client_id,
            scope: 'nosuch',
            response_type: 'code',
            redirect_uri: client.redirect_uri,
            ...challenge,
          };
          assert.equal(((await (await post(server, path, client, body)).json()) as Answer).error, 'invalid_scope', path);
        }
      });
    });

    it("cannot be injected through the server's internal parameters", async () => {
      const answer = await tokens(await server.createClient({ scope: 'openid' }), {
        scope: 'openid',
        scope_as_settled: 'openid restricted',
        scope_as_sent: 'openid restricted',
      });
      assert.equal(answer.scope, 'openid');
    });
  });

  describe('Scopes of one API, without resource', () => {
    it('are for that API, and with openid the token opens userinfo too', async () => {
      const answer = await tokens(await server.createClient(), { scope: 'openid profile email books:read' });
      assert.equal(words(answer.scope), 'books:read email openid profile');
      const told = await introspect(server, introspector, answer.access_token);
      assert.deepEqual(
        [told['aud'], words(String(told['scope']))],
        [[API.identifier, `${server.issuer}/oauth/userinfo`], 'books:read email openid profile'],
      );
      const userinfo = await callApi(server, '/oauth/userinfo', answer.access_token);
      assert.equal(userinfo.status, 200);
      assert.match(String(((await userinfo.json()) as { email: string }).email), /@/);
    });

    it('open only that API without openid, or if the client names it', async () => {
      const client = await server.createClient();
      for (const parameters of [{ scope: 'books:read' }, { scope: 'openid books:read', resource: API.identifier }]) {
        const answer = await tokens(client, parameters);
        assert.equal((await introspect(server, introspector, answer.access_token))['aud'], API.identifier);
        assert.notEqual((await callApi(server, '/oauth/userinfo', answer.access_token)).status, 200);
      }
      const named = await tokens(client, { scope: 'openid books:read' }, { resource: API.identifier });
      assert.equal((await introspect(server, introspector, named.access_token))['aud'], API.identifier, 'named by the token request');
    });

    it('do not change after a refresh', async () => {
      const client = await server.createClient();
      const first = await tokens(client, { scope: 'openid books:read' });
      const second = (await (await refresh(server, client, String(first.refresh_token))).json()) as Answer;
      assert.equal(words(second.scope), 'books:read openid');
      assert.equal((await callApi(server, '/oauth/userinfo', second.access_token)).status, 200);
    });

    it('are for that API with client credentials, a pushed request, a device, and as a JWT', async () => {
      const client = await server.createClient();
      const own = await machine(client, { scope: 'posts:read' });
      assert.deepEqual([decodeJwt(own.access_token).aud, own.scope], [posts, 'posts:read']);
      const { code_verifier: _, ...challenge } = pkce();
      const body = {
        client_id: client.client_id,
        scope: 'books:read',
        response_type: 'code',
        redirect_uri: client.redirect_uri,
        ...challenge,
      };
      assert.equal((await post(server, '/oauth/par', client, body)).status, 201);
      const [row] = await server.sql(
        `select payload->>'request' as request from protocol_record where kind = 'PushedAuthorizationRequest'`,
      );
      assert.equal(decodeJwt(String(row?.['request']))['resource'], API.identifier);
      const device = await createDeviceClient(server);
      const { device_code, user_code } = await beginDevice(server, device, { scope: 'openid books:read' });
      await approveDevice(server, user_code, await server.createPerson());
      const answer = (await (await poll(server, device, device_code)).json()) as Answer;
      assert.deepEqual((await introspect(server, introspector, answer.access_token))['aud'], [
        API.identifier,
        `${server.issuer}/oauth/userinfo`,
      ]);
      assert.equal((await callApi(server, '/oauth/userinfo', answer.access_token)).status, 200);
      const jwt = await tokens(client, { scope: 'openid email posts:read' });
      assert.deepEqual(decodeJwt(jwt.access_token).aud, [posts, `${server.issuer}/oauth/userinfo`]);
      for (const path of ['/oauth/userinfo', '/api/posts']) assert.equal((await callApi(server, path, jwt.access_token)).status, 200, path);
    });

    it('are dropped beside those of another API, and the response lists the granted scopes', async () => {
      const answer = await tokens(await server.createClient(), { scope: 'openid api books:read posts:read' });
      assert.equal(words(answer.scope), 'api openid');
    });

    it('of several APIs alone are invalid_target, with the advice to name one', async () => {
      const answer = await heard(await server.createClient(), { scope: 'books:read posts:read' });
      assert.equal(answer.get('error'), 'invalid_target');
      assert.match(String(answer.get('error_description')), /name it by resource/);
    });

    it('do not select an API whose owner wants it to be named', async () => {
      const client = await server.createClient();
      assert.equal((await heard(client, { scope: 'strict:read' })).get('error'), 'invalid_target');
      assert.equal((await tokens(client, { scope: 'openid strict:read' })).scope, 'openid');
      assert.equal((await tokens(client, { scope: 'strict:read', resource: 'https://strict.example' })).scope, 'strict:read');
    });
  });

  describe('A resource', () => {
    it("equal to the issuer is the server's own API, with and without a final slash", async () => {
      const client = await server.createClient();
      for (const resource of [server.issuer, `${server.issuer}/`, `${server.issuer}?`, `${server.issuer}/?`]) {
        const answer = await tokens(client, { scope: 'openid profile api', resource }, { resource });
        assert.equal((await callApi(server, '/api/data', answer.access_token)).status, 200);
        assert.equal((await callApi(server, '/oauth/userinfo', answer.access_token)).status, 200);
        const own = await machine(client, { scope: 'api', resource });
        assert.equal((await callApi(server, '/api/data', own.access_token)).status, 200);
      }
    });

    it('without a path matches with its slash; with a path, a slash makes it another', async () => {
      const client = await server.createClient();
      assert.equal((await tokens(client, { scope: 'strict:read', resource: 'https://strict.example/' })).scope, 'strict:read');
      assert.deepEqual(decodeJwt((await tokens(client, { scope: 'posts:read', resource: `${posts}?` })).access_token).aud, posts);
      for (const resource of [`${posts}/`, `${posts}??`, `${posts}?a`, `${API.identifier}/`, 'https://strict.example.evil.example'])
        assert.equal((await heard(client, { scope: 'openid', resource })).get('error'), 'invalid_target', resource);
    });

    it('of the authorization applies if the token request names none; of several, the first (RFC 8707 section 2.2)', async () => {
      const client = await server.createClient();
      const one = await tokens(client, { scope: 'openid posts:read', resource: posts });
      assert.deepEqual([decodeJwt(one.access_token).aud, words(one.scope)], [posts, 'openid posts:read']);
      const two = await tokens(client, { scope: 'openid api posts:read', resource: [posts, server.issuer] });
      assert.equal(decodeJwt(two.access_token).aud, posts);
      const other = (await (await refresh(server, client, String(two.refresh_token), { resource: server.issuer })).json()) as Answer;
      assert.equal((await callApi(server, '/api/data', other.access_token)).status, 200);
    });

    it('that was not authorized is invalid_target, and the code stays unused', async () => {
      const client = await server.createClient();
      const code = await obtainCode(server, client, await server.createPerson());
      const refused = await redeem(server, client, code, { resource: posts });
      assert.equal(((await refused.json()) as Answer).error, 'invalid_target');
      assert.equal((await redeem(server, client, code)).status, 200);
    });

    it('with scopes of other APIs drops them, and does not ask for consent endlessly', async () => {
      const answer = await tokens(await server.createClient(), { scope: 'openid posts:read admin:read books:read', resource: posts });
      assert.equal(words(answer.scope), 'openid posts:read');
    });
  });

  describe('A refresh', () => {
    it('drops scopes that were requested but not granted, and never fails for offline_access', async () => {
      const client = await server.createClient({ required_scope: 'openid profile' });
      const scope = 'openid profile api restricted nosuch offline_access';
      const first = await tokens(client, { scope });
      assert.equal(words(first.scope), 'openid profile');
      const second = (await (await refresh(server, client, String(first.refresh_token), { scope })).json()) as Answer;
      assert.equal(words(second.scope), 'openid profile');
    });

    it('drops scopes of another API that the authorization dropped', async () => {
      const client = await server.createClient();
      const scope = 'openid api books:read posts:read';
      const first = await tokens(client, { scope });
      const second = await refresh(server, client, String(first.refresh_token), { scope });
      assert.deepEqual([second.status, words(((await second.json()) as Answer).scope)], [200, 'api openid']);
    });

    it('with a scope that was never requested is invalid_scope, and uses nothing up', async () => {
      const client = await server.createClient();
      const { refresh_token } = await tokens(client, { scope: 'openid profile' });
      const refused = await refresh(server, client, String(refresh_token), { scope: 'openid api' });
      assert.equal(((await refused.json()) as Answer).error, 'invalid_scope');
      assert.equal((await refresh(server, client, String(refresh_token))).status, 200);
    });
  });

  it('Allow gives offline_access without prompt=consent, and only to a client with refresh tokens', async () => {
    const scope = 'openid offline_access';
    assert.equal(words((await tokens(await server.createClient(), { scope })).scope), 'offline_access openid');
    const without = await server.createClient({ grant_types: ['authorization_code'] });
    assert.equal((await tokens(without, { scope })).scope, 'openid');
  });

  it('all scopes of the metadata may be requested at once', async () => {
    const { scopes_supported } = (await (await fetch(`${server.issuer}/.well-known/openid-configuration`)).json()) as {
      scopes_supported: string[];
    };
    assert.deepEqual(
      scopes_supported.filter((name) => name.startsWith('admin:') || name.startsWith('books:')),
      [],
    );
    const answer = await tokens(await server.createClient(), { scope: scopes_supported.join(' '), resource: posts });
    assert.match(String(answer.scope), /posts:read/);
  });
});
