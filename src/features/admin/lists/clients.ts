import { z } from 'zod';
import { all, contains, flag, type List, scan, search } from '../../../pages/operators/list.ts';
import { type Database, isStorable, Prisma, type Statement } from '../../../platform/database.ts';

/** Owns the operators' list of clients. It shows how many active secrets a client has, and nothing about them. */

const CLIENT = z.object({
  id: z.string(),
  name: z.string().nullable(),
  registration: z.enum(['operator', 'dynamic']),
  authenticates_by: z.string(),
  require_pkce: z.boolean(),
  publisher: z.string().nullable(),
  verified_at: z.iso.datetime().nullable(),
  introspects: z.string().nullable(),
  services: z.array(z.string()),
  origins: z.array(z.string()),
  admin_scopes: z.array(z.string()),
  live_secrets: z.int(),
  owners: z.array(z.string()),
  created_at: z.iso.datetime(),
  updated_at: z.iso.datetime(),
  suspended_at: z.iso.datetime().nullable(),
});

export type ClientRow = {
  id: string;
  name: string | null;
  registration: 'operator' | 'dynamic';
  authenticates_by: string;
  /** The registered value. Some clients must use PKCE without it. */
  require_pkce: boolean;
  publisher: string | null;
  verified_at: Date | null;
  introspects: string | null;
  services: string[];
  origins: string[];
  admin_scopes: string[];
  live_secrets: number;
  /** The accounts that own it in the developer portal. */
  owners: string[];
  created_at: Date;
  updated_at: Date;
  suspended_at: Date | null;
};

const COLUMNS = Prisma.sql`
  t.id, t.metadata->>'client_name' as name, t.registration::text as registration, coalesce(t.metadata->>'token_endpoint_auth_method', 'client_secret_basic') as authenticates_by,
  coalesce(t.metadata->'require_pkce' = 'true', false) as require_pkce,
  t.publisher, t.verified_at, t.introspects, t.services, t.origins, t.admin_scopes, t.created_at, t.updated_at, t.suspended_at,
  (select count(*)::int from client_secret s where s.client_id = t.id and (s.expires_at is null or s.expires_at > now())) as live_secrets,
  array(select o.account_id from client_owner o where o.client_id = t.id order by o.created_at, o.account_id) as owners`;

const filters = z.strictObject({
  search: search.describe('Text in the client_id, the name or the publisher; case does not matter'),
  registration: z.enum(['operator', 'dynamic']).optional(),
  suspended: flag,
  verified: flag,
});

export const clients: List<z.infer<typeof filters>, ClientRow> = {
  name: 'clients',
  summary: 'Clients, ordered by client_id',
  filters,
  row: CLIENT,
  find({ database }, { search, registration, suspended, verified }, limit, after) {
    const name = Prisma.sql`coalesce(t.metadata->>'client_name', '')`;
    const conditions: (Statement | undefined | false)[] = [
      search
        ? Prisma.sql`(${contains(Prisma.sql`t.id`, search)} or ${contains(name, search)} or ${contains(Prisma.sql`coalesce(t.publisher, '')`, search)})`
        : undefined,
      registration && Prisma.sql`t.registration = ${registration}::client_registration`,
      suspended !== undefined && Prisma.sql`(t.suspended_at is not null) = ${suspended}`,
      verified !== undefined && Prisma.sql`(t.publisher is not null) = ${verified}`,
    ];
    const where = conditions.some(Boolean) ? all(conditions) : undefined;
    return scan<ClientRow>(database, { from: Prisma.sql`client t`, by: Prisma.sql`t.id`, columns: COLUMNS }, { where, after, limit });
  },
  positionOf: ({ id }) => [id],
};

export type ClientDetails = ClientRow & { metadata: Record<string, unknown> };

/** @returns one client with its registered metadata (RFC 7591), even a suspended one. */
export async function findClientDetails(database: Database, id: string): Promise<ClientDetails | undefined> {
  if (!isStorable(id)) return undefined;
  const [row] = await database.query<ClientDetails>(Prisma.sql`select ${COLUMNS}, t.metadata from client t where t.id = ${id}`);
  return row;
}

export const clientDetails = CLIENT.extend({ metadata: z.record(z.string(), z.unknown()) });
