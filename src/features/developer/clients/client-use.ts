import { type Database, Prisma } from '../../../platform/database.ts';

/** Owns the figures of a client's use. They contain counts, never users. */

export type ClientUse = {
  /** Active tokens by kind, without used refresh tokens. */
  tokens: { kind: string; count: number }[];
  /** When the client last received a token or a grant, as far back as tokens are stored. */
  used_at: Date | null;
  /** Weeks from Monday (UTC), newest first, each with the number of users who first allowed the client then and still do. */
  weeks: { week: Date; people: number }[];
};

export type Glance = {
  id: string;
  /** Whether the client has a token or a grant. */
  used: boolean;
  /** Errors of the last day. */
  errors: number;
};

/** @returns a short summary of each client. */
export function glanceAt(database: Database, clientIds: string[]): Promise<Glance[]> {
  return database.query<Glance>(Prisma.sql`
    select id,
      (exists (select from grant_record g where g.client_id = c.id) or exists (select from token t where t.client_id = c.id)) as used,
      (select count(*)::int from client_error e where e.client_id = c.id and e.at > now() - interval '1 day') as errors
    from unnest(${clientIds}::text[]) c (id)`);
}

const WEEKS = 12;

/** An exact count: acceptable, since an owner opens the page only now and then. */
export async function useOfClient(database: Database, clientId: string): Promise<ClientUse> {
  const [tokens, [last], weeks] = await Promise.all([
    database.aside<{ kind: string; count: number }>(Prisma.sql`
      select kind::text, count(*)::int from token
      where client_id = ${clientId} and expires_at > now() and (kind <> 'RefreshToken' or consumed_at is null) group by kind order by kind`),
    database.aside<{ used_at: Date | null }>(Prisma.sql`
      select greatest(
        (select to_timestamp(max((payload->>'iat')::float8)) from token where client_id = ${clientId}),
        (select max(created_at) from grant_record where client_id = ${clientId})) as used_at`),
    database.aside<{ week: Date; people: number }>(Prisma.sql`
      with came as (
        select min(created_at) as at from grant_record where client_id = ${clientId} and expires_at > now() group by account_id)
      select week, (select count(*)::int from came where came.at >= week and came.at < week + interval '7 days') as people
      from generate_series(date_trunc('week', now(), 'UTC') - ${WEEKS - 1}::int * interval '7 days', date_trunc('week', now(), 'UTC'), interval '7 days') week
      order by week desc`),
  ]);
  return { tokens, used_at: last?.used_at ?? null, weeks };
}

/** `last` is the latest sign-in of a user, and `token` the latest token or grant of any kind, both as far back as records are stored. */
export type SignIns = { last: Date | null; token: Date | null };

/** @returns when the client was last used. The latest codes are known for clients that may omit PKCE, else the latest grants and tokens. */
export async function signInsOf(database: Database, clientId: string): Promise<SignIns> {
  const [row] = await database.aside<SignIns>(Prisma.sql`
    with issued as (
      select to_timestamp(max((payload->>'iat')::float8) filter (where kind in ('AccessToken', 'RefreshToken'))) as users,
        to_timestamp(max((payload->>'iat')::float8)) as any_kind
      from token where client_id = ${clientId}),
    allowed as (select max(created_at) as at from grant_record where client_id = ${clientId}),
    codes as (select greatest(bound_at, unbound_at) as at from client_pkce_use where client_id = ${clientId})
    select greatest((select users from issued), (select at from allowed), (select at from codes)) as last,
      greatest((select any_kind from issued), (select at from allowed)) as token`);
  return row ?? { last: null, token: null };
}
