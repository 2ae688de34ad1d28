import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { REDIRECT_URI, startTestServer, type TestServer } from '../support/environment.ts';
import { approve, authorizePath, obtainTokens, pkce, type TestClient } from '../support/flow.ts';
import { AUTHORIZATION, MALFORMED, NUL, RAW } from '../support/hostile.ts';
import { Person } from '../support/person.ts';
import { countRows, unchanged } from '../support/storage.ts';

// Only an interaction stores it. A signed-in user who has already allowed it returns to the client with a code and with the unchanged
// `state`.
const NOT_KEPT = ['state', 'login_hint', 'ui_locales', 'claims_locales', 'display'];
const AUTHENTICATION = ['client_id', 'client_secret', 'client_assertion', 'client_assertion_type'];

type Fields = Record<string, string>;

/** Form encoding with one field inserted as it is. */
const encode = (fields: Fields, name: string, raw: string) =>
  [
    ...Object.entries(fields)
      .filter(([other]) => other !== name)
      .map(([other, value]) => `${other}=${encodeURIComponent(value)}`),
    `${name}=${raw}`,
  ].join('&');

for (const who of ['a stranger', 'a browser that is signed in'])
  describe(`Text that the database cannot store, in every parameter, from ${who}`, () => {
    let server: TestServer;
    let signedIn: Person | undefined;
    let client: TestClient & { client_secret: string };
    let person: { email: string; password: string };
    const { code_verifier, ...challenge } = pkce();
    before(async () => {
      server = await startTestServer();
      client = await server.createClient();
      person = await server.createPerson();
      if (who !== 'a stranger') {
        signedIn = new Person(server.issuer);
        await approve(server, signedIn, person, authorizePath(client, { ...challenge, scope: 'openid' }));
      }
    });
    after(() => server.close());

    const framed = <T>(name: string, act: () => Promise<T>): Promise<T> =>
      signedIn && NOT_KEPT.includes(name) ? act() : unchanged(server, act);
    const withoutCode = async <T>(name: string, act: () => Promise<T>): Promise<T> => {
      const before = await countRows(server, 'authorization_code');
      const result = await act();
      if (!NOT_KEPT.includes(name)) assert.equal(await countRows(server, 'authorization_code'), before, name);
      return result;
    };
    const anyBrowser = () => signedIn ?? new Person(server.issuer);
    const cookies = (): Record<string, string> => (signedIn ? { cookie: signedIn.cookies().join('; ') } : {});

    const authorization = (): Fields => ({
      client_id: client.client_id,
      redirect_uri: REDIRECT_URI,
      response_type: 'code',
      scope: 'openid',
      state: 's',
      ...challenge,
    });
    const secret = (): Fields => ({ client_id: client.client_id, client_secret: client.client_secret });

    const post = (path: string, body: string, headers: Record<string, string> = {}) =>
      fetch(server.issuer + path, {
        method: 'POST',
        redirect: 'manual',
        body: Buffer.from(body, 'latin1'),
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...cookies(), ...headers },
      });

    /** Asserts no server error, and no success where the value cannot be stored. */
    async function assertTheirs(response: Response, what: string): Promise<void> {
      if (!response.bodyUsed) await response.body?.cancel();
      assert(response.status < 500, `${what}: ${response.status}`);
    }

    for (const name of AUTHORIZATION) {
      it(`authorization request, ${name}`, async () => {
        for (const raw of NUL)
          await framed(name, async () => {
            const response = await fetch(`${server.issuer}/oauth/authorize?${encode(authorization(), name, raw)}`, {
              redirect: 'manual',
              headers: cookies(),
            });
            await assertTheirs(response, raw);
            assert.doesNotMatch(String(response.headers.get('location')), /\/interaction\//, raw);
          });
        for (const raw of MALFORMED) {
          await assertTheirs((await anyBrowser().open(`/oauth/authorize?${encode(authorization(), name, raw)}`)).response, raw);
        }
      });
    }

    const forms: { path: string; parameters: string[]; fields: () => Fields }[] = [
      {
        path: '/oauth/par',
        parameters: AUTHENTICATION,
        fields: () => ({ ...secret(), ...authorization(), redirect_uri: 'https://evil.example/' }),
      },
      {
        path: '/oauth/token',
        parameters: ['grant_type', 'code', 'redirect_uri', 'code_verifier', 'resource', ...AUTHENTICATION],
        fields: () => ({ ...secret(), grant_type: 'authorization_code', code: 'made-up', redirect_uri: REDIRECT_URI, code_verifier }),
      },
      {
        path: '/oauth/token',
        parameters: ['refresh_token', 'scope', 'resource'],
        fields: () => ({ ...secret(), grant_type: 'refresh_token', refresh_token: 'made-up' }),
      },
      {
        path: '/oauth/introspect',
        parameters: ['token', 'token_type_hint', ...AUTHENTICATION],
        fields: () => ({ ...secret(), token: 'made-up' }),
      },
      {
        path: '/oauth/revoke',
        parameters: ['token', 'token_type_hint', ...AUTHENTICATION],
        fields: () => ({ ...secret(), token: 'made-up' }),
      },
      { path: '/oauth/userinfo', parameters: ['access_token', 'scope'], fields: () => ({}) },
      {
        path: '/oauth/logout',
        parameters: ['client_id', 'id_token_hint', 'post_logout_redirect_uri', 'state', 'ui_locales', 'logout_hint'],
        fields: () => ({}),
      },
      { path: '/oauth/logout/confirm', parameters: ['xsrf', 'logout'], fields: () => ({}) },
    ];
    for (const { path, parameters, fields } of forms) {
      it(`${path}, ${parameters.join(', ')}`, async () => {
        // A sign-out request gets a form, and the session stores its token.
        const asItWas =
          signedIn && path === '/oauth/logout' ? (act: () => Promise<void>) => act() : (act: () => Promise<void>) => unchanged(server, act);
        for (const name of parameters)
          await asItWas(async () => {
            for (const raw of [...NUL, ...MALFORMED, ...RAW])
              await assertTheirs(await post(path, encode(fields(), name, raw)), `${name}=${JSON.stringify(raw)}`);
          });
      });
    }

    it('a pushed request: if it is accepted, it reaches no page', async () => {
      for (const name of AUTHORIZATION)
        for (const raw of [...NUL, ...MALFORMED, ...RAW]) {
          const what = `${name}=${JSON.stringify(raw)}`;
          const response = await post('/oauth/par', encode({ ...secret(), ...authorization() }, name, raw));
          if (response.status !== 201) {
            await assertTheirs(response, what);
            continue;
          }
          const { request_uri } = (await response.json()) as { request_uri: string };
          const path = `/oauth/authorize?${new URLSearchParams({ client_id: client.client_id, request_uri })}`;
          const open = () => fetch(server.issuer + path, { redirect: 'manual', headers: cookies() });
          if (!raw.includes('%00') && !raw.includes('\0')) await assertTheirs(await open(), what);
          else {
            // For a signed-in user, the attempt uses up the pushed request and has no other effect.
            const response = await (signedIn ? withoutCode(name, open) : unchanged(server, open));
            await assertTheirs(response, what);
            assert.doesNotMatch(String(response.headers.get('location')), /\/interaction\//, what);
          }
        }
    });

    it('a client credentials request, scope and resource', async () => {
      for (const name of ['scope', 'resource'])
        for (const raw of [...NUL, ...MALFORMED, ...RAW])
          await assertTheirs(
            await post('/oauth/token', encode({ ...secret(), grant_type: 'client_credentials' }, name, raw)),
            `${name}=${raw}`,
          );
    });

    it('parameter names', async () => {
      for (const raw of [...NUL, ...MALFORMED, ...RAW, '__proto__', 'constructor', 'toString', '__proto__[x]', 'hasOwnProperty'])
        await unchanged(server, async () => {
          for (const path of ['/oauth/token', '/oauth/introspect', '/oauth/revoke', '/oauth/par'])
            await assertTheirs(await post(path, encode(secret(), raw, 'x')), `${path} ${JSON.stringify(raw)}`);
        });
      for (const raw of ['__proto__', 'constructor', 'toString', '__proto__[x]']) {
        await assertTheirs((await anyBrowser().open(`/oauth/authorize?${encode(authorization(), raw, 'x')}`)).response, raw);
      }
    });

    it('the sign-in form: email, password and csrf', async () => {
      const browser = new Person(server.issuer);
      const page = await browser.open(authorizePath(client, challenge));
      const { action, hidden } = page.form();
      const fields: Fields = { csrf: String(hidden['csrf']), email: person.email, password: person.password };
      for (const name of ['email', 'password', 'csrf'])
        for (const raw of [...NUL, ...MALFORMED, ...RAW])
          await unchanged(
            server,
            async () => {
              const response = await browser.request(action, {
                method: 'POST',
                body: Buffer.from(encode(fields, name, raw), 'latin1'),
                headers: { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin' },
              });
              assert(response.status >= 400 && response.status < 500, `${name}=${JSON.stringify(raw)}: ${response.status}`);
            },
            // A wrong password that was checked is counted and recorded.
            ['audit_event', 'rate_limit'],
          );
      await server.sql('delete from rate_limit');
      assert.match(
        (await page.submit({ email: person.email, password: person.password })).html,
        /name="decision"/,
        'the step is still there',
      );
    });

    it('the consent form: scope, decision and csrf', async () => {
      const signIn = await new Person(server.issuer).open(authorizePath(client, challenge));
      const page = await signIn.submit({ email: person.email, password: person.password });
      const { action, hidden } = page.form();
      const fields: Fields = { csrf: String(hidden['csrf']), decision: 'approve' };
      for (const name of ['scope', 'decision', 'csrf'])
        for (const raw of [...NUL, '\0'])
          await unchanged(server, async () => {
            const response = await page.person.request(action, {
              method: 'POST',
              body: encode(fields, name, raw),
              headers: { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin' },
            });
            assert(response.status >= 400 && response.status < 500, `${name}=${JSON.stringify(raw)}: ${response.status}`);
          });
      assert((await page.submit({ decision: 'approve' })).url.searchParams.get('code'), 'the step is still there');
    });

    it('paths', async () => {
      const resource = `${server.issuer}/api/posts`;
      const { access_token } = await obtainTokens(server, client, person, { scope: 'openid posts:write', resource }, { resource });
      const authorizationHeader = { ...cookies(), authorization: `Bearer ${access_token}`, 'content-type': 'application/json' };
      for (const raw of [...NUL, ...MALFORMED, '..%2f..%2fetc', '%2e%2e/%2e%2e', '__proto__', "'%20or%201=1--"])
        await unchanged(server, async () => {
          for (const path of [
            `/oauth/register/${raw}`,
            `/oauth/authorize/${raw}`,
            `/interaction/${raw}`,
            `/interaction/${raw}/login`,
            `/assets/${raw}`,
            `/${raw}`,
          ])
            for (const method of ['GET', 'POST', 'DELETE'])
              await assertTheirs(
                await fetch(server.issuer + path, { method, headers: authorizationHeader, redirect: 'manual' }),
                `${method} ${path}`,
              );
          for (const method of ['PUT', 'DELETE']) {
            const body = method === 'PUT' ? JSON.stringify({ title: 't', body: 'b' }) : undefined;
            await assertTheirs(await fetch(`${resource}/${raw}`, { method, body, headers: authorizationHeader }), `${method} posts/${raw}`);
          }
        });
    });

    it('headers: Authorization, Cookie, Accept-Language, Origin, DPoP', async () => {
      const basic = (text: string) => `Basic ${Buffer.from(text, 'latin1').toString('base64')}`;
      const authorizations = [
        'Basic',
        'Basic ',
        'Basic !!!',
        'Bearer',
        'x',
        ...['a', 'a:', ':b', '\0:\0', 'a%00:b%00', '%:%', '%ED%A0%80:x', '\xff:\xff'].map(basic),
      ];
      for (const authorization of authorizations)
        for (const path of ['/oauth/token', '/oauth/introspect', '/oauth/revoke', '/oauth/par'])
          await assertTheirs(
            await unchanged(server, () => post(path, 'token=x&grant_type=client_credentials', { authorization })),
            authorization,
          );
      const odd: Record<string, string>[] = [
        { cookie: 'session=%00; session.sig=x' },
        { cookie: 'session=%ED%A0%80; interaction=%00; resume=%zz; language=%00' },
        { cookie: '__proto__=x; =; ;;' },
        { 'accept-language': '*;q=x, \xff' },
        { origin: 'null' },
        { origin: '\xff' },
        { dpop: 'a.b.c' },
        { accept: '\xff/*' },
      ];
      for (const headers of odd)
        for (const path of ['/', '/oauth/logout', '/interaction/x', '/api/me', authorizePath(client, {})])
          await assertTheirs(await fetch(server.issuer + path, { headers, redirect: 'manual' }), JSON.stringify(headers));
    });

    if (who !== 'a stranger')
      it('afterwards the browser is still signed in', async () => {
        const page = await signedIn?.open(authorizePath(client, { ...challenge, scope: 'openid', prompt: 'none' }));
        assert(page?.url.searchParams.get('code'), String(page?.url));
      });
  });
