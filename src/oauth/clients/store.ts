import { type Database, isStorable, Prisma, type Statement } from '../../platform/database.ts';
import { digest } from '../../platform/secrets.ts';
import { isSecretHandle, joinHandles, secretHint } from './secrets.ts';

/**
 * Owns registered clients: their metadata (RFC 7591) and the digests of their secrets.
 * Does not judge metadata: see oauth/clients/metadata/registration-policy.ts.
 */

/** RFC 7591 metadata, and members of ours that no registration request can set. */
export type ClientMetadata = {
  client_id: string;
  client_secret?: string;
  /** It registered itself, nobody vouches for it. */
  dynamically_registered?: boolean;
  /** The resource server it speaks for: the client may introspect the tokens of that audience. */
  introspects?: string;
  /** Who an operator found behind it. What the client says of itself is nobody's finding. */
  publisher?: string;
  /** The upstream providers at which an operator lets it act for people. */
  services?: string[];
  /** The web origins from which it may do so by a person's session alone. */
  origins?: string[];
  /** The accounts that look after it in the developer portal. */
  owners?: string[];
  /** The scopes of the admin API that an operator lets it ask for. */
  admin_scopes?: string[];
  /** Seconds since 1970. */
  registered_at?: number;
  [member: string]: unknown;
};

/** By which a client gets a person's token at an upstream provider (RFC 8693). An operator alone adds it to a client: allowServices(). */
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

/** What is known of a client holds until the first of its secrets expires, which nobody announces. */
export type FoundClient = { metadata: ClientMetadata; holdsForMs: number };

/** @returns metadata with handles in the place of secrets; undefined for a client that is unknown or suspended. */
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
 * Statements that create or replace a client, to be run together. A secret in clear is digested and added; a handle stands for one that is kept already.
 * A client that says something else of itself is not the one that was verified. At which services it may act stays as an operator said.
 * @param registeredWith id of the initial access token that makes it, which is told of it from then on.
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
  // A client that does not, or no longer, authenticate by a secret has none that could be found out.
  if (SECRETLESS.has(metadata['token_endpoint_auth_method']))
    return [client, Prisma.sql`delete from client_secret where client_id = ${client_id}`];
  if (client_secret === undefined || isSecretHandle(client_secret)) return [client];
  return [
    client,
    Prisma.sql`insert into client_secret (digest, client_id, hint) values (${digest(client_secret)}, ${client_id}, ${secretHint(client_secret)}) on conflict (digest) do nothing`,
  ];
}

/** Whether an operator trusts pages of this web origin with people's sessions, for some client or other. */
export async function isTrustedOrigin(database: Database, origin: string): Promise<boolean> {
  if (!isStorable(origin)) return false;
  const [row] = await database.query(Prisma.sql`select 1 from client where origins @> array[${origin}] and suspended_at is null limit 1`);
  return row !== undefined;
}

/** @returns whether there is such a client, be it a suspended one. */
export async function isClientKnown(database: Database, clientId: string): Promise<boolean> {
  if (!isStorable(clientId)) return false;
  return (await database.query(Prisma.sql`select 1 from client where id = ${clientId}`)).length > 0;
}

/** The row of a client, locked against whoever changes it, or issues to it. */
export function lockClient(clientId: string): Statement {
  return Prisma.sql`select id from client where id = ${clientId} for update`;
}

/** Holds a client still for who is about to save it anew, in the same transaction: no row changes when it has gone, or was suspended, meanwhile. */
export function holdClient(clientId: string): Statement {
  return Prisma.sql`update client set seen_at = now() where id = ${clientId} and suspended_at is null`;
}

/** Deletes a client; its secrets, grants, tokens and registration token go by cascade (RFC 7592 section 2.3). */
export function deleteClient(clientId: string): Statement {
  return Prisma.sql`delete from client where id = ${clientId}`;
}

/**
 * Makes a client as good as unknown, until it is restored. Ending what it holds is the caller's second half: endClient().
 * The row is locked against those who issue to it: what is issued is there to be ended when this is done, or is not issued.
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

/** Says who publishes a client. It holds for the client as it is: see saveClient(). @returns a row, unless the client is unknown. */
export function verifyClient(clientId: string, publisher: string): Statement {
  return Prisma.sql`update client set publisher = ${publisher}, verified_at = now(), updated_at = now() where id = ${clientId} returning id`;
}

/** @returns a row, unless the client is unknown. */
export function unverifyClient(clientId: string): Statement {
  return Prisma.sql`update client set publisher = null, verified_at = null, updated_at = now() where id = ${clientId} returning id`;
}

/** Requires PKCE of a client. It says nothing else of itself by that: one that was verified stays so. @returns a row, unless it is unknown. */
export function requirePkce(clientId: string): Statement {
  return Prisma.sql`update client set metadata = metadata || '{"require_pkce": true}', updated_at = now() where id = ${clientId} returning id`;
}

/** Takes back requirePkce(). A client that must use PKCE anyway must still. @returns a row, unless the client is unknown. */
export function waivePkce(clientId: string): Statement {
  return Prisma.sql`update client set metadata = metadata - 'require_pkce', updated_at = now() where id = ${clientId} returning id`;
}

/**
 * Lets a client act for people at upstream providers, at these and no others; with none, no longer. The grant type that it takes comes and goes
 * with them. @param services ids of providers. @param origins of its pages that may use a person's session, as browsers write them.
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
 * Gives a client one more secret, and ends those that it has after a while, so that it can change over.
 * @param secret in clear, of randomSecret(). @param overlapSeconds 0 ends the others at once; one that ends sooner anyway does.
 * @returns a row, unless the client is unknown or does not authenticate by a secret.
 */
export function rotateSecret(clientId: string, secret: string, overlapSeconds: number): Statement {
  return Prisma.sql`
    with known as (select id from client where id = ${clientId} and coalesce(metadata->>'token_endpoint_auth_method', '') not in (${Prisma.join([...SECRETLESS])})),
    old as (update client_secret set expires_at = least(expires_at, now() + ${overlapSeconds} * interval '1 second') where client_id in (select id from known))
    insert into client_secret (digest, client_id, hint) select ${digest(secret)}, id, ${secretHint(secret)} from known returning client_id`;
}

/** Whose secret it is, as auditEventForEach() takes it: no row when rotateSecret() found no client for it. */
export function holderOfSecret(secret: string): Statement {
  return Prisma.sql`select null::text as account_id, client_id from client_secret where digest = ${digest(secret)}`;
}

export type ListedClient = {
  id: string;
  name: string | null;
  registration: string;
  method: string;
  publisher: string | null;
  services: string[];
  secrets: number;
  created_at: Date;
  suspended_at: Date | null;
};

/** All clients as an operator sees them, in the order they came; `secrets` is how many are live. */
export function listClients(database: Database): Promise<ListedClient[]> {
  return database.query<ListedClient>(Prisma.sql`
    select id, metadata->>'client_name' as name, registration::text, coalesce(metadata->>'token_endpoint_auth_method', 'client_secret_basic') as method, publisher, services,
      (select count(*)::int from client_secret s where s.client_id = c.id and (s.expires_at is null or s.expires_at > now())) as secrets,
      created_at, suspended_at
    from client c order by created_at, id`);
}
