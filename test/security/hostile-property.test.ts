import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { approve, authorizePath, pkce, type TestClient } from '../support/flow.ts';
import { Person } from '../support/person.ts';
import { askToRegister } from '../support/registration.ts';
import { countRows } from '../support/storage.ts';

const RUNS = 60;

const PARAMETERS = [
  'client_id',
  'client_secret',
  'client_assertion',
  'client_assertion_type',
  'grant_type',
  'code',
  'code_verifier',
  'refresh_token',
  'token',
  'token_type_hint',
  'redirect_uri',
  'response_type',
  'response_mode',
  'scope',
  'state',
  'nonce',
  'prompt',
  'max_age',
  'claims',
  'id_token_hint',
  'login_hint',
  'resource',
  'request_uri',
  'dpop_jkt',
  'device_code',
  'user_code',
  'decision',
  'xsrf',
];
const MEMBERS = [
  'redirect_uris',
  'client_name',
  'grant_types',
  'response_types',
  'scope',
  'jwks',
  'contacts',
  'application_type',
  'token_endpoint_auth_method',
  'default_max_age',
  'require_auth_time',
  'logo_uri',
  'client_id',
  'client_secret',
  'introspects',
];

for (const who of ['a stranger', 'somebody who is signed in'])
  describe(`Any input of ${who} is a client error`, () => {
    let server: TestServer;
    let cookie: Record<string, string> = {};
    let client: TestClient & { client_secret: string };
    const { code_verifier: _, ...challenge } = pkce();
    before(async () => {
      server = await startTestServer();
      client = await server.createClient();
      if (who === 'a stranger') return;
      // The user allowed another client. This one asks for consent, so garbage alone gives no code.
      const browser = new Person(server.issuer);
      await approve(
        server,
        browser,
        await server.createPerson(),
        authorizePath(await server.createClient(), { ...challenge, scope: 'openid' }),
      );
      await server.sql('delete from authorization_code');
      cookie = { cookie: browser.cookies().join('; ') };
    });
    after(() => server.close());

    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.string({ maxLength: 40 }),
      fc.constantFrom('\0', '0', '-1', '1e999', '{}', '[]', 'null', 'a.b.c', 'none'),
    );
    const fields = fc.array(
      fc.tuple(fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...PARAMETERS) }, { weight: 1, arbitrary: text }), text),
      { maxLength: 12 },
    );

    /** Valid fields, some of them replaced, followed by garbage. */
    const form = (right: Record<string, string>, garbage: [string, string][]) => {
      const names = new Set(garbage.map(([name]) => name));
      return new URLSearchParams([...Object.entries(right).filter(([name]) => !names.has(name)), ...garbage]);
    };
    const assertTheirs = async (response: Response) => {
      await response.body?.cancel();
      assert(response.status < 500, `${response.status}`);
    };

    it('and gives no token at the endpoints that accept forms', async () => {
      const path = fc.constantFrom(
        '/oauth/token',
        '/oauth/introspect',
        '/oauth/revoke',
        '/oauth/par',
        '/oauth/device_authorization',
        '/device',
        '/oauth/logout',
        '/oauth/logout/confirm',
        '/oauth/userinfo',
      );
      const secret = {
        client_id: client.client_id,
        client_secret: client.client_secret,
        grant_type: 'refresh_token',
        refresh_token: 'x',
        token: 'x',
      };
      await fc.assert(
        fc.asyncProperty(path, fields, async (where, garbage) => {
          await assertTheirs(
            await fetch(server.issuer + where, { method: 'POST', body: form(secret, garbage), redirect: 'manual', headers: cookie }),
          );
        }),
        { numRuns: RUNS },
      );
      assert.equal(await countRows(server, 'token'), 0);
    });

    it('and gives no code at the authorization endpoint', async () => {
      const right = {
        client_id: client.client_id,
        redirect_uri: client.redirect_uri,
        response_type: 'code',
        scope: 'openid',
        ...challenge,
      };
      await fc.assert(
        fc.asyncProperty(fields, async (garbage) => {
          const response = await fetch(`${server.issuer}/oauth/authorize?${form(right, garbage)}`, { redirect: 'manual', headers: cookie });
          await assertTheirs(response);
          const location = response.headers.get('location');
          // Where the browser is sent: to a page of this server, or to the client's own address.
          if (location)
            assert([server.issuer, new URL(client.redirect_uri).origin].includes(new URL(location, server.issuer).origin), location);
        }),
        { numRuns: RUNS },
      );
      assert.equal(await countRows(server, 'authorization_code'), 0);
    });

    it('and creates no client with rights that only an operator gives, at registration', async () => {
      const member = fc.oneof(fc.constantFrom(...MEMBERS), text);
      const value = fc.oneof(fc.jsonValue({ maxDepth: 3 }), text, fc.constant(['https://walk.example/cb']));
      const before = (await server.sql('select id from client')).map(({ id }) => id);
      await fc.assert(
        fc.asyncProperty(fc.array(fc.tuple(member, value), { maxLength: 8 }), async (members) => {
          await assertTheirs(await askToRegister(server, Object.fromEntries([['redirect_uris', ['https://walk.example/cb']], ...members])));
        }),
        { numRuns: RUNS },
      );
      const registered = 'client where id <> all($1)';
      assert.equal(
        await countRows(server, `${registered} and registration = 'dynamic' and introspects is null`, [before]),
        await countRows(server, registered, [before]),
      );
    });

    it('also as a body that is no text', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.uint8Array({ maxLength: 200 }),
          fc.constantFrom('/oauth/token', '/oauth/register', '/oauth/par', '/interaction/x/login'),
          async (body, where) => {
            const type = where === '/oauth/register' ? 'application/json' : 'application/x-www-form-urlencoded';
            await assertTheirs(
              await fetch(server.issuer + where, { method: 'POST', body: Buffer.from(body), headers: { ...cookie, 'content-type': type } }),
            );
          },
        ),
        { numRuns: RUNS },
      );
    });
  });
