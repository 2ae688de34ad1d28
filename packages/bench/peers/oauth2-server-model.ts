import { createHash, randomBytes } from 'node:crypto';
import pg from 'pg';
import { API, CLIENT, PERSON, SCOPE } from '../fixtures.ts';
import { CHALLENGE } from '../operations.ts';

/**
 * The model that @node-oauth/oauth2-server needs, as a careful user writes it. Each question is one named prepared statement.
 * Secrets, tokens and codes are stored as SHA-256. A statement that deletes a row decides single use.
 */

const TABLES = `
  create table oauth_client (id text primary key, secret bytea not null, grants text[] not null, redirect_uris text[] not null);
  create table oauth_user (id text primary key, username text not null, name text not null);
  create table oauth_code (id bytea primary key, client_id text not null references oauth_client, user_id text not null references oauth_user,
    redirect_uri text not null, scope text not null, challenge text not null, expires_at timestamptz not null);
  create table oauth_token (access bytea primary key, access_expires_at timestamptz not null, refresh bytea unique,
    refresh_expires_at timestamptz, client_id text not null references oauth_client, user_id text references oauth_user, scope text);
  create index on oauth_token (client_id);
  create index on oauth_token (user_id);`;

// Whose token a client credentials token is: the library asks for a user with every token.
const NOBODY = { id: null };

export async function createModel(url: string) {
  const pool = new pg.Pool({ connectionString: url, max: 10 });
  await fill(pool);
  const run = async (name: string, text: string, ...values: unknown[]) => (await pool.query({ name, text, values })).rows[0];

  return {
    async getClient(id: string, secret: string | null) {
      const row = await run('client', 'select grants, redirect_uris, secret from oauth_client where id = $1', id);
      if (!row || (secret !== null && !row.secret.equals(sha256(secret)))) return false;
      return { id, grants: row.grants, redirectUris: row.redirect_uris };
    },

    async getAccessToken(accessToken: string) {
      const row = await run(
        'access',
        `select t.access_expires_at, t.client_id, t.scope, c.grants, u.id, u.username, u.name
         from oauth_token t join oauth_client c on c.id = t.client_id left join oauth_user u on u.id = t.user_id where t.access = $1`,
        sha256(accessToken),
      );
      if (!row) return false;
      return {
        accessToken,
        accessTokenExpiresAt: row.access_expires_at,
        scope: row.scope?.split(' '),
        client: { id: row.client_id, grants: row.grants },
        user: { id: row.id, username: row.username, name: row.name },
      };
    },

    async getRefreshToken(refreshToken: string) {
      const row = await run(
        'refresh',
        'select refresh_expires_at, client_id, user_id, scope from oauth_token where refresh = $1',
        sha256(refreshToken),
      );
      if (!row) return false;
      return {
        refreshToken,
        refreshTokenExpiresAt: row.refresh_expires_at,
        scope: row.scope?.split(' '),
        client: { id: row.client_id, grants: CLIENT.grant_types },
        user: { id: row.user_id },
      };
    },

    async revokeToken({ refreshToken }: { refreshToken?: string }) {
      return !!(await run('revoke', 'delete from oauth_token where refresh = $1 returning 1', sha256(String(refreshToken))));
    },

    async getAuthorizationCode(authorizationCode: string) {
      const row = await run(
        'code',
        'select client_id, user_id, redirect_uri, scope, challenge, expires_at from oauth_code where id = $1',
        sha256(authorizationCode),
      );
      if (!row) return false;
      return {
        authorizationCode,
        expiresAt: row.expires_at,
        redirectUri: row.redirect_uri,
        scope: row.scope.split(' '),
        codeChallenge: row.challenge,
        codeChallengeMethod: 'S256',
        client: { id: row.client_id, grants: CLIENT.grant_types },
        user: { id: row.user_id },
      };
    },

    async revokeAuthorizationCode({ authorizationCode }: { authorizationCode: string }) {
      return !!(await run('redeem', 'delete from oauth_code where id = $1 returning 1', sha256(authorizationCode)));
    },

    // biome-ignore lint/suspicious/noExplicitAny: the library's own types for what it hands over are that wide.
    async saveToken(token: any, client: { id: string }, user: { id: string | null }) {
      await run(
        'save',
        'insert into oauth_token values ($1, $2, $3, $4, $5, $6, $7)',
        sha256(token.accessToken),
        token.accessTokenExpiresAt,
        token.refreshToken ? sha256(token.refreshToken) : null,
        token.refreshTokenExpiresAt ?? null,
        client.id,
        user.id,
        token.scope?.join(' '),
      );
      return { ...token, client, user };
    },

    async saveAuthorizationCode(): Promise<never> {
      throw new Error('nobody authorizes here: codes are minted');
    },

    generateAccessToken: async () => randomBytes(32).toString('base64url'),
    generateRefreshToken: async () => randomBytes(32).toString('base64url'),
    getUserFromClient: async () => NOBODY,
    validateScope: async (_user: unknown, _client: unknown, scope?: string[]) => scope ?? [],

    /** Codes as an authorization endpoint would store them. */
    async mintCodes(count: number, redirectUri: string): Promise<string[]> {
      const codes = Array.from({ length: count }, () => randomBytes(32).toString('base64url'));
      await pool.query(`insert into oauth_code select id, $2, $3, $4, $5, $6, now() + interval '1 minute' from unnest($1::bytea[]) as id`, [
        codes.map(sha256),
        CLIENT.client_id,
        PERSON.username,
        redirectUri,
        SCOPE,
        CHALLENGE,
      ]);
      return codes;
    },
  };
}

async function fill(pool: pg.Pool): Promise<void> {
  await pool.query(TABLES);
  for (const { client_id, client_secret, grant_types, redirect_uris } of [CLIENT, API])
    await pool.query('insert into oauth_client values ($1, $2, $3, $4)', [client_id, sha256(client_secret), grant_types, redirect_uris]);
  await pool.query('insert into oauth_user values ($1, $1, $2)', [PERSON.username, PERSON.name]);
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
