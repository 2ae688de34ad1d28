import type { RegistrationLimits } from '../../oauth/clients/metadata/registration-limits.ts';
import { type Database, isStorable, Prisma, type Statement } from '../../platform/database.ts';
import { digest } from '../../platform/secrets.ts';

/**
 * Owns initial access tokens (RFC 7591 section 3): what an operator gives to whom may register clients where not everybody may.
 * Does not judge metadata: see oauth/clients/metadata/registration-policy.ts.
 */

/** @param token of randomSecret(); its digest alone is kept. @param madeBy the operator's account, where one made it. @returns a row with the `id` by which operators speak of it. */
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

/** By what operators know it, seconds since 1970, and what its clients may use. */
export type FoundInitialAccessToken = { id: string; issuedAt: number; expiresAt: number; limits: RegistrationLimits };

/** @returns undefined for one that is unknown, has expired, or has made all its clients. */
export async function findInitialAccessToken(database: Database, token: string): Promise<FoundInitialAccessToken | undefined> {
  if (!isStorable(token)) return undefined;
  const [row] = await database.query<FoundInitialAccessToken>(Prisma.sql`
    select id, floor(extract(epoch from created_at))::float8 as "issuedAt", floor(extract(epoch from expires_at))::float8 as "expiresAt",
      json_build_object('grantTypes', grant_types, 'scopes', scopes) as limits
    from initial_access_token where digest = ${digest(token)} and expires_at > now() and clients < max_clients`);
  return row;
}

/** Counts one client more. It changes no row when there were enough already: then the client must not be stored either. */
export function spendInitialAccessToken(token: string): Statement {
  return Prisma.sql`
    update initial_access_token set clients = clients + 1 where digest = ${digest(token)} and expires_at > now() and clients < max_clients`;
}

/** Those that it made stay. @returns a row, unless it is unknown. */
export function revokeInitialAccessToken(id: string): Statement {
  return Prisma.sql`delete from initial_access_token where id = ${id} returning id`;
}

/** The clients that a token made and that are there still, also when the token itself has gone. */
export async function clientsRegisteredWith(database: Database, id: string): Promise<string[]> {
  const rows = await database.aside<{ id: string }>(
    Prisma.sql`select id from client where registered_with = ${id} order by created_at, id`,
  );
  return rows.map((row) => row.id);
}

/** Whether there is one of this id that has not expired. */
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

/** Those that have not expired, in the order they were made. */
export function listInitialAccessTokens(database: Database): Promise<ListedInitialAccessToken[]> {
  return database.query<ListedInitialAccessToken>(Prisma.sql`
    select id, name, max_clients as "maxClients", clients, grant_types as "grantTypes", scopes, expires_at as "expiresAt"
    from initial_access_token where expires_at > now() order by created_at, id`);
}

/** Every scope that a client may register with. */
export async function knownScopes(database: Database): Promise<string[]> {
  const rows = await database.query<{ name: string }>(Prisma.sql`
    select name from scope union select provider_id || ':' || name from upstream_service order by name`);
  return [...new Set(['openid', 'offline_access', ...rows.map(({ name }) => name)])];
}
