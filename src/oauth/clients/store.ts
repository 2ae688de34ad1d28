import { type Database, isStorable, Prisma, type Statement } from '../../platform/database.ts';
import { digest } from '../../platform/secrets.ts';
import { isSecretHandle, joinHandles, secretHint } from './secrets.ts';

/**
 * Owns registered clients: their metadata (RFC 7591) and the digests of their secrets.
 * Does not check metadata: see oauth/clients/metadata/registration-policy.ts.
 */

/** RFC 7591 metadata, and internal members that no registration request can set. */
export type ClientMetadata = {
  client_id: string;
  client_secret?: string;
  /** The client registered itself, and no operator verified it. */
  dynamically_registered?: boolean;
  /** The resource server that it represents: the client may introspect tokens of that audience. */
  introspects?: string;
  /** The publisher that an operator verified. The client's own claims do not count. */
  publisher?: string;
  /** The upstream providers at which an operator lets it act for users. */
  services?: string[];
  /** The web origins from which it may do so with only a user's session. */
  origins?: string[];
  /** The accounts that own it in the developer portal. */
  owners?: string[];
  /** The admin API scopes that an operator lets it ask for. */
  admin_scopes?: string[];
  /** Seconds since 1970. */
  registered_at?: number;
  [member: string]: unknown;
};

/**
 * The grant by which a client gets a user's token of an upstream provider (RFC 8693). Only an operator adds it to a client:
 * allowServices().
 */
export const TOKEN_EXCHANGE_GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange';

const SECRETLESS = new Set<unknown>(['none', 'private_key_jwt']);

type Row = {
  metadata: ClientMetadata;
  registration: 'operator' | 'dynamic';
  introspects: string | null;
  publisher: string | null;
  services: string[];
  origins: string[];
  owners: string[];
  admin_scopes: string[];
  registered_at: number;
  secrets: string[];
  expires_in_ms: number | null;
};

/** A client's data is valid until the first of its secrets expires, because no notification announces that. */
export type FoundClient = { metadata: ClientMetadata; holdsForMs: number };

/** @returns metadata with handles instead of secrets; undefined for an unknown or suspended client. */
export async function findClient(database: Database, clientId: string): Promise<FoundClient | undefined> {
  if (!isStorable(clientId)) return undefined;
  const [row] = await database.query<Row>(Prisma.sql`
    select c.metadata, c.registration, c.introspects, c.publisher, c.services, c.origins, c.admin_scopes, array(select o.account_id from client_owner o where o.client_id = c.id order by o.created_at, o.account_id) as owners, extract(epoch from c.created_at)::float8 as registered_at,
      array(select encode(s.digest, 'hex') from client_secret s where s.client_id = c.id and (s.expires_at is null or s.expires_at > now()) order by s.created_at, s.digest) as secrets,
      (select (extract(epoch from min(s.expires_at) - now()) * 1000)::float8 from client_secret s where s.client_id = c.id and s.expires_at > now()) as expires_in_ms
    from client c where c.id = ${clientId} and c.suspended_at is null`);
  if (!row) return undefined;
  const metadata = {
    ...row.metadata,
    client_id: clientId,
    ...(row.secrets.length ? { client_secret: joinHandles(row.secrets) } : undefined),
    ...(row.registration === 'dynamic' ? { dynamically_registered: true } : undefined),
    ...(row.introspects ? { introspects: row.introspects } : undefined),
    ...(row.publisher ? { publisher: row.publisher } : undefined),
    ...(row.services.length ? { services: row.services } : undefined),
    ...(row.origins.length ? { origins: row.origins } : undefined),
    ...(row.owners.length ? { owners: row.owners } : undefined),
    ...(row.admin_scopes.length ? { admin_scopes: row.admin_scopes } : undefined),
    registered_at: Math.floor(row.registered_at),
  };
  return { metadata, holdsForMs: row.expires_in_ms ?? Number.POSITIVE_INFINITY };
}

/**
 * Statements that create or replace a client, to be run together. A secret in clear is hashed and added; a handle means a stored secret.
 * Changed metadata ends the verification of the publisher. The services that an operator allowed stay.
 * @param registeredWith id of the initial access token that registers it; its holder sees the client from then on.
 */
export function saveClient(
  {
    client_id,
    client_secret,
    dynamically_registered,
    introspects,
    publisher: _verified,
    services: _allowed,
    origins: _trusted,
    owners: _inThePortal,
    admin_scopes: _permitted,
    registered_at: _known,
    ...metadata
  }: ClientMetadata,
  registeredWith?: string,
): Statement[] {
  const registration = dynamically_registered ? 'dynamic' : 'operator';
  const client = Prisma.sql`
    insert into client (id, metadata, registration, introspects, registered_with, updated_at)
    values (${client_id}, ${JSON.stringify(metadata)}::jsonb, ${registration}::client_registration, ${introspects ?? null}, ${registeredWith ?? null}, now())
    on conflict (id) do update set metadata = excluded.metadata, introspects = coalesce(excluded.introspects, client.introspects), updated_at = excluded.updated_at, seen_at = now(),
      publisher = case when client.metadata = excluded.metadata then client.publisher end,
      verified_at = case when client.metadata = excluded.metadata then client.verified_at end`;
  // A client that does not authenticate by a secret, or no longer does, has no stored secret.
  if (SECRETLESS.has(metadata['token_endpoint_auth_method']))
    return [client, Prisma.sql`delete from client_secret where client_id = ${client_id}`];
  if (client_secret === undefined || isSecretHandle(client_secret)) return [client];
  return [
    client,
    Prisma.sql`insert into client_secret (digest, client_id, hint) values (${digest(client_secret)}, ${client_id}, ${secretHint(client_secret)}) on conflict (digest) do nothing`,
  ];
}

/** Whether an operator trusts pages of this web origin with users' sessions, for any client. */
export async function isTrustedOrigin(database: Database, origin: string): Promise<boolean> {
  if (!isStorable(origin)) return false;
  const [row] = await database.query(Prisma.sql`select 1 from client where origins @> array[${origin}] and suspended_at is null limit 1`);
  return row !== undefined;
}

/** @returns whether such a client exists, also a suspended one. */
export async function isClientKnown(database: Database, clientId: string): Promise<boolean> {
  if (!isStorable(clientId)) return false;
  return (await database.query(Prisma.sql`select 1 from client where id = ${clientId}`)).length > 0;
}

/** Locks the row of a client against changes and against issuing to it. */
export function lockClient(clientId: string): Statement {
  return Prisma.sql`select id from client where id = ${clientId} for update`;
}

/** Locks a client that the caller is about to save, in the same transaction. Changes no row if it was deleted or suspended since. */
export function holdClient(clientId: string): Statement {
  return Prisma.sql`update client set seen_at = now() where id = ${clientId} and suspended_at is null`;
}

/** Deletes a client; the database deletes its secrets, grants, tokens and registration token by cascade (RFC 7592 section 2.3). */
export function deleteClient(clientId: string): Statement {
  return Prisma.sql`delete from client where id = ${clientId}`;
}

/**
 * Makes a client equivalent to an unknown one, until it is restored. The caller then ends its tokens: endClient().
 * The row lock orders this against issuing. Afterwards each token is either stored and can be ended, or was not issued.
 * @returns a row, unless the client is unknown.
 */
export function suspendClient(clientId: string): Statement {
  return Prisma.sql`
    update client set suspended_at = coalesce(suspended_at, now()), updated_at = now()
    where id = (select id from client where id = ${clientId} for update) returning id`;
}

/** @returns a row, unless the client is unknown. */
export function restoreClient(clientId: string): Statement {
  return Prisma.sql`update client set suspended_at = null, updated_at = now() where id = ${clientId} returning id`;
}

/**
 * Records the verified publisher of a client. A change of its metadata ends the verification: see saveClient().
 * @returns a row, unless the client is unknown.
 */
export function verifyClient(clientId: string, publisher: string): Statement {
  return Prisma.sql`update client set publisher = ${publisher}, verified_at = now(), updated_at = now() where id = ${clientId} returning id`;
}

/** @returns a row, unless the client is unknown. */
export function unverifyClient(clientId: string): Statement {
  return Prisma.sql`update client set publisher = null, verified_at = null, updated_at = now() where id = ${clientId} returning id`;
}

/** Requires PKCE of a client. Its publisher stays verified, since this is no change by the client. @returns a row, unless it is unknown. */
export function requirePkce(clientId: string): Statement {
  return Prisma.sql`update client set metadata = metadata || '{"require_pkce": true}', updated_at = now() where id = ${clientId} returning id`;
}

/** Reverts requirePkce(). A client that must use PKCE for another reason still must. @returns a row, unless the client is unknown. */
export function waivePkce(clientId: string): Statement {
  return Prisma.sql`update client set metadata = metadata - 'require_pkce', updated_at = now() where id = ${clientId} returning id`;
}

/**
 * Lets a client act for users at exactly these upstream providers; an empty list ends it. Adds or removes the token exchange grant
 * accordingly.
 * @param services ids of providers.
 * @param origins of its pages that may use a user's session, as browsers write them.
 * @returns a row, unless the client is unknown.
 */
export function allowServices(clientId: string, { services, origins }: { services: string[]; origins: string[] }): Statement {
  const others = Prisma.sql`coalesce(metadata->'grant_types', '["authorization_code"]') - ${TOKEN_EXCHANGE_GRANT}::text`;
  const grants = services.length ? Prisma.sql`(${others}) || to_jsonb(${TOKEN_EXCHANGE_GRANT}::text)` : others;
  return Prisma.sql`
    update client set services = ${services}, origins = ${origins}, metadata = jsonb_set(metadata, '{grant_types}', ${grants}), updated_at = now()
    where id = ${clientId} returning id`;
}

/**
 * Adds a secret to a client and ends its other secrets after a while, so that the client can switch.
 * @param secret in clear, from randomSecret().
 * @param overlapSeconds 0 ends the others at once; a secret that ends sooner is unchanged.
 * @returns a row, unless the client is unknown or does not authenticate by a secret.
 */
export function rotateSecret(clientId: string, secret: string, overlapSeconds: number): Statement {
  return Prisma.sql`
    with known as (select id from client where id = ${clientId} and coalesce(metadata->>'token_endpoint_auth_method', '') not in (${Prisma.join([...SECRETLESS])})),
    old as (update client_secret set expires_at = least(expires_at, now() + ${overlapSeconds} * interval '1 second') where client_id in (select id from known))
    insert into client_secret (digest, client_id, hint) select ${digest(secret)}, id, ${secretHint(secret)} from known returning client_id`;
}

/** The client of a secret, as auditEventForEach() reads it: no row when rotateSecret() found no client. */
export function holderOfSecret(secret: string): Statement {
  return Prisma.sql`select null::text as account_id, client_id from client_secret where digest = ${digest(secret)}`;
}
