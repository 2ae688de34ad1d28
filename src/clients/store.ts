import { type Database, isStorable, Prisma, type Statement } from '../platform/database.ts';
import { digest } from '../platform/secrets.ts';
import { isSecretHandle, joinHandles } from './secrets.ts';

/**
 * Owns registered clients: their metadata (RFC 7591) and the digests of their secrets.
 * Does not judge metadata: see authorization-server/registration-policy.ts.
 */

/** RFC 7591 metadata, and two members of ours that no registration request can set. */
export type ClientMetadata = {
  client_id: string;
  client_secret?: string;
  /** It registered itself, nobody vouches for it. */
  dynamically_registered?: boolean;
  /** The resource server it speaks for: the client may introspect the tokens of that audience. */
  introspects?: string;
  [member: string]: unknown;
};

const SECRETLESS = new Set<unknown>(['none', 'private_key_jwt']);

type Row = { metadata: ClientMetadata; registration: 'operator' | 'dynamic'; introspects: string | null; secrets: string[] };

/** @returns metadata with handles in the place of secrets; undefined for an unknown client. */
export async function findClient(database: Database, clientId: string): Promise<ClientMetadata | undefined> {
  if (!isStorable(clientId)) return undefined;
  const [row] = await database.query<Row>(Prisma.sql`
    select c.metadata, c.registration, c.introspects,
      array(select encode(s.digest, 'hex') from client_secret s where s.client_id = c.id and (s.expires_at is null or s.expires_at > now()) order by s.created_at, s.digest) as secrets
    from client c where c.id = ${clientId}`);
  if (!row) return undefined;
  return {
    ...row.metadata,
    client_id: clientId,
    ...(row.secrets.length ? { client_secret: joinHandles(row.secrets) } : undefined),
    ...(row.registration === 'dynamic' ? { dynamically_registered: true } : undefined),
    ...(row.introspects ? { introspects: row.introspects } : undefined),
  };
}

/** Statements that create or replace a client, to be run together. A secret in clear is digested and added; a handle stands for one that is kept already. */
export function saveClient({ client_id, client_secret, dynamically_registered, introspects, ...metadata }: ClientMetadata): Statement[] {
  const registration = dynamically_registered ? 'dynamic' : 'operator';
  const client = Prisma.sql`
    insert into client (id, metadata, registration, introspects, updated_at)
    values (${client_id}, ${JSON.stringify(metadata)}::jsonb, ${registration}::client_registration, ${introspects ?? null}, now())
    on conflict (id) do update set metadata = excluded.metadata, introspects = coalesce(excluded.introspects, client.introspects), updated_at = excluded.updated_at`;
  // A client that does not, or no longer, authenticate by a secret has none that could be found out.
  if (SECRETLESS.has(metadata['token_endpoint_auth_method']))
    return [client, Prisma.sql`delete from client_secret where client_id = ${client_id}`];
  if (client_secret === undefined || isSecretHandle(client_secret)) return [client];
  return [
    client,
    Prisma.sql`insert into client_secret (digest, client_id) values (${digest(client_secret)}, ${client_id}) on conflict (digest) do nothing`,
  ];
}

/** Deletes a client; its secrets, grants, tokens and registration token go by cascade (RFC 7592 section 2.3). */
export function deleteClient(clientId: string): Statement {
  return Prisma.sql`delete from client where id = ${clientId}`;
}
