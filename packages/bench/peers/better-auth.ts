import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { oauthProvider } from '@better-auth/oauth-provider';
import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import { toNodeHandler } from 'better-auth/node';
import { jwt } from 'better-auth/plugins';
import pg from 'pg';
import { basic, CLIENT, PERSON, SCOPE } from '../fixtures.ts';
import { CHALLENGE, ISSUER } from '../operations.ts';
import type { Served } from '../server.ts';

/**
 * better-auth's OAuth provider as its documentation sets it up, on pg. It stores clients in memory, which makes it faster.
 * Its rate limits, logs and telemetry are off. A client may introspect its own tokens, so that is who asks.
 */
export async function serveBetterAuth(): Promise<Served> {
  const pool = new pg.Pool({ connectionString: String(process.env['DATABASE_URL']), max: 10 });
  const auth = betterAuth({
    baseURL: ISSUER,
    secret: randomBytes(32).toString('base64url'),
    database: pool,
    logger: { disabled: true },
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
    plugins: [
      jwt(),
      oauthProvider({
        loginPage: '/login',
        consentPage: '/consent',
        scopes: [...SCOPE.split(' '), 'api'],
        clientCredentialsScopes: ['api'],
        cachedTrustedClients: new Set([CLIENT.client_id]),
        silenceWarnings: { oauthAuthServerConfig: true, openidConfig: true },
      }),
    ],
  });
  await (await getMigrations(auth.options)).runMigrations();
  const context = await auth.$context;
  await context.adapter.create({ model: 'oauthClient', data: client() });
  const user = await context.internalAdapter.createUser({ email: PERSON.email, name: PERSON.name, emailVerified: true }, {
    method: 'email',
  } as never);
  const session = await context.internalAdapter.createSession(user.id);

  const server = createServer(toNodeHandler(auth));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    dialect: {
      paths: {
        token: '/api/auth/oauth2/token',
        introspection: '/api/auth/oauth2/introspect',
        revocation: '/api/auth/oauth2/revoke',
        userinfo: '/api/auth/oauth2/userinfo',
      },
      client: basic(CLIENT),
      api: basic(CLIENT),
      redirectUri: CLIENT.redirect_uris[0] as string,
      clientScope: 'api',
    },
    lacks: [],
    mint: async (count) => {
      const codes = Array.from({ length: count }, () => randomBytes(24).toString('base64url'));
      // What its authorization endpoint stores (redirectWithAuthorizationCode).
      const value = JSON.stringify({
        type: 'authorization_code',
        query: {
          response_type: 'code',
          client_id: CLIENT.client_id,
          redirect_uri: CLIENT.redirect_uris[0],
          scope: SCOPE,
          code_challenge: CHALLENGE,
          code_challenge_method: 'S256',
        },
        userId: user.id,
        sessionId: session.id,
        authTime: Date.now(),
      });
      await pool.query(
        `insert into verification (id, identifier, value, "expiresAt", "createdAt", "updatedAt")
         select gen_random_uuid()::text, identifier, $2, now() + interval '10 minutes', now(), now() from unnest($1::text[]) as identifier`,
        [codes.map(hashed), value],
      );
      return codes;
    },
  };
}

function client() {
  return {
    clientId: CLIENT.client_id,
    clientSecret: hashed(CLIENT.client_secret),
    name: 'bench',
    disabled: false,
    scopes: [...SCOPE.split(' '), 'api'],
    clientCredentialsScopes: ['api'],
    redirectUris: CLIENT.redirect_uris,
    grantTypes: CLIENT.grant_types,
    responseTypes: CLIENT.response_types,
    tokenEndpointAuthMethod: 'client_secret_basic',
    requirePKCE: true,
    createdAt: new Date(),
    updatedAt: new Date(),
  };
}

// As it digests secrets, tokens and codes itself.
function hashed(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}
