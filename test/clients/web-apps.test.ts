import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../support/environment.ts';
import type { Page } from '../support/person.ts';
import { register } from '../support/registration.ts';
import { openApp, Visitor } from '../support/visitor.ts';
import { authJs } from './apps/auth-js.mjs';
import { expressOpenidConnect } from './apps/express-openid-connect.mjs';
import { nextAuth } from './apps/next-auth.mjs';
import { passportOauth2, passportOpenidconnect } from './apps/passport.mjs';

/** Web frameworks' clients as their own documents show them, on localhost, with a user who only signs in and presses Allow. */

type Settings = { issuer: string; clientId: string; clientSecret: string; origin: string };

let server: TestServer;
let user: { id: string; email: string; password: string; username: string };
before(async () => {
  server = await startTestServer();
  user = await server.createPerson();
});
after(() => server.close());

/** Registers the app by itself with its callback, serves it, and lets `use` visit it. */
async function withApp(
  { callback, make, ...metadata }: { callback: string; make: (settings: Settings) => RequestListener; [member: string]: unknown },
  use: (origin: string, visitor: Visitor) => Promise<void>,
): Promise<void> {
  const app = await openApp(async (origin) => {
    const client = await register(server, {
      redirect_uris: [origin + callback],
      post_logout_redirect_uris: [origin],
      grant_types: ['authorization_code'],
      ...metadata,
    });
    return make({ issuer: server.issuer, clientId: client.client_id, clientSecret: client.client_secret, origin });
  });
  try {
    await use(app.origin, new Visitor(server.issuer, { email: user.email, password: user.password }));
  } finally {
    app.close();
  }
}

const json = (page: Page) => {
  assert.equal(page.response.status, 200, `${page.url}: ${page.html.slice(0, 1500)}`);
  return JSON.parse(page.html);
};

describe('Auth.js', () => {
  it('(@auth/core) has the name and e-mail of the user in its session', () =>
    withApp({ callback: '/auth/callback/munjigi', make: authJs }, async (origin, visitor) => {
      const choice = await visitor.visit(`${origin}/auth/signin`);
      await visitor.goOn(await choice.submit({}));
      const session = json(await visitor.visit(`${origin}/auth/session`));
      assert.deepEqual([session?.user?.name, session?.user?.email], ['홍길동', user.email]);
    }));

  it('(next-auth 4) has the name and e-mail of the user in its session', () =>
    withApp({ callback: '/api/auth/callback/munjigi', make: nextAuth }, async (origin, visitor) => {
      const choice = await visitor.visit(`${origin}/api/auth/signin`);
      await visitor.goOn(await choice.submit({}));
      const session = json(await visitor.visit(`${origin}/api/auth/session`));
      assert.deepEqual([session?.user?.name, session?.user?.email], ['홍길동', user.email]);
    }));
});

describe('express-openid-connect', () => {
  it('signs in with `response_type: code` and its secret, and signs out', () =>
    withApp(
      {
        callback: '/callback',
        make: (settings) =>
          expressOpenidConnect(settings, { clientSecret: settings.clientSecret, authorizationParams: { response_type: 'code' } }),
      },
      async (origin, visitor) => {
        const claims = json(await visitor.visit(`${origin}/`));
        assert.deepEqual([claims.sub, claims.email, claims.name], [user.id, user.email, '홍길동']);
        const { url } = await visitor.at(origin).open(`${origin}/logout`);
        assert.equal(url.origin, server.issuer);
        const question = await visitor.at(server.issuer).open(url.href);
        const after = await question.submit({ logout: 'yes' });
        assert.equal(after.url.origin, origin);
        assert.match(
          (await visitor.at(server.issuer).open((await visitor.at(origin).open(`${origin}/`)).url.href)).html,
          /name="password"/,
        );
      },
    ));

  it('is told with its default, `response_type: id_token`, which setting to change', () =>
    withApp({ callback: '/callback', make: (settings) => expressOpenidConnect(settings) }, async (origin, visitor) => {
      const page = await visitor.visit(`${origin}/`);
      assert.match(page.html, /^set response_type to code in the client's settings/);
    }));
});

describe('Passport', () => {
  it('(passport-openidconnect) has the name of the user, and with its scopes the e-mail', async () => {
    for (const scope of [undefined, ['profile', 'email']])
      await withApp(
        { callback: '/cb', make: (settings) => passportOpenidconnect(settings, scope ? { scope } : {}) },
        async (origin, visitor) => {
          const profile = json(await visitor.visit(`${origin}/login`));
          assert.equal(profile?.id, user.id);
          if (scope) assert.deepEqual([profile.displayName, profile.emails], ['홍길동', [{ value: user.email }]]);
        },
      );
  });

  it('(passport-oauth2) asks for no scope, and its app reads the e-mail of the user from the API', () =>
    withApp({ callback: '/cb', make: passportOauth2 }, async (origin, visitor) => {
      const profile = json(await visitor.visit(`${origin}/login`));
      assert.deepEqual([profile?.sub, profile?.email], [user.id, user.email]);
    }));
});
