import type { RegistrationLimits } from '../../oauth/clients/metadata/registration-limits.ts';
import { type Database, isStorable, Prisma, type Statement } from '../../platform/database.ts';
import { digest } from '../../platform/secrets.ts';

/**
 * Owns initial access tokens (RFC 7591 section 3), which an operator issues to those who may register clients when registration is not
 * open. Does not judge metadata: see oauth/clients/metadata/registration-policy.ts.
 */

/**
 * @param token from randomSecret(); only its digest is stored. @param madeBy the account of the operator, if there is one. @returns a
 * statement that returns a row with the `id` for operators.
 */
export function createInitialAccessToken(
  token: string,
  {
    name,
    maxClients,
    lifeSeconds,
    grantTypes,
    scopes,
    madeBy,
  }: RegistrationLimits & { name: string; maxClients: number; lifeSeconds: number; madeBy?: string | undefined },
): Statement {
  return Prisma.sql`
    insert into initial_access_token (id, digest, name, max_clients, grant_types, scopes, made_by, expires_at)
    values (uuidv7()::text, ${digest(token)}, ${name}, ${maxClients}, ${grantTypes}, ${scopes}, ${madeBy ?? null}, now() + ${lifeSeconds} * interval '1 second')
    returning id, expires_at as "expiresAt"`;
}

/** The id for operators, times in seconds since 1970, and what its clients may use. */
export type FoundInitialAccessToken = { id: string; issuedAt: number; expiresAt: number; limits: RegistrationLimits };

/** @returns undefined for a token that is unknown, expired, or used up. */
export async function findInitialAccessToken(database: Database, token: string): Promise<FoundInitialAccessToken | undefined> {
  if (!isStorable(token)) return undefined;
  const [row] = await database.query<FoundInitialAccessToken>(Prisma.sql`
    select id, floor(extract(epoch from created_at))::float8 as "issuedAt", floor(extract(epoch from expires_at))::float8 as "expiresAt",
      json_build_object('grantTypes', grant_types, 'scopes', scopes) as limits
    from initial_access_token where digest = ${digest(token)} and expires_at > now() and clients < max_clients`);
  return row;
}

/** Counts one more client. It changes no row when the token is used up; then the client must not be stored. */
export function spendInitialAccessToken(token: string): Statement {
  return Prisma.sql`
    update initial_access_token set clients = clients + 1 where digest = ${digest(token)} and expires_at > now() and clients < max_clients`;
}

/** Its clients stay. @returns a statement that returns a row, unless the token is unknown. */
export function revokeInitialAccessToken(id: string): Statement {
  return Prisma.sql`delete from initial_access_token where id = ${id} returning id`;
}

/** @returns the existing clients that a token registered, even after the token was deleted. */
export async function clientsRegisteredWith(database: Database, id: string): Promise<string[]> {
  const rows = await database.aside<{ id: string }>(
    Prisma.sql`select id from client where registered_with = ${id} order by created_at, id`,
  );
  return rows.map((row) => row.id);
}

/** @returns whether a token with this id exists and has not expired. */
export async function isInitialAccessToken(database: Database, id: string): Promise<boolean> {
  if (!isStorable(id)) return false;
  return (await database.query(Prisma.sql`select 1 from initial_access_token where id = ${id} and expires_at > now()`)).length > 0;
}

export type ListedInitialAccessToken = RegistrationLimits & {
  id: string;
  name: string;
  maxClients: number;
  clients: number;
  expiresAt: Date;
};

/** @returns the tokens that have not expired, in the order of their creation. */
export function listInitialAccessTokens(database: Database): Promise<ListedInitialAccessToken[]> {
  return database.query<ListedInitialAccessToken>(Prisma.sql`
    select id, name, max_clients as "maxClients", clients, grant_types as "grantTypes", scopes, expires_at as "expiresAt"
    from initial_access_token where expires_at > now() order by created_at, id`);
}

/** @returns every scope that a client may register for. */
export async function knownScopes(database: Database): Promise<string[]> {
  const rows = await database.query<{ name: string }>(Prisma.sql`
    select name from scope union select provider_id || ':' || name from upstream_service order by name`);
  return [...new Set(['openid', 'offline_access', ...rows.map(({ name }) => name)])];
}
