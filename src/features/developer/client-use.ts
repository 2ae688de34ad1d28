import { type Database, Prisma } from '../../platform/database.ts';

/** Owns the figures of how a client is used: how many, never who. */

export type ClientUse = {
  /** Live tokens by what they are; a refresh token that was used up is none. */
  tokens: { kind: string; count: number }[];
  /** When a token was last issued to it, as far back as tokens are kept, or it was last allowed something. */
  used_at: Date | null;
  /** The weeks from Monday (UTC), the newest first, and how many people came in each who allow it something still. */
  weeks: { week: Date; people: number }[];
};

export type Glance = {
  id: string;
  /** Whether it holds a token, or somebody has allowed it something. */
  used: boolean;
  /** What went wrong in the last day. */
  errors: number;
};

/** What there is to know of clients at a glance. */
export function glanceAt(database: Database, clientIds: string[]): Promise<Glance[]> {
  return database.query<Glance>(Prisma.sql`
    select id,
      (exists (select from grant_record g where g.client_id = c.id) or exists (select from token t where t.client_id = c.id)) as used,
      (select count(*)::int from client_error e where e.client_id = c.id and e.at > now() - interval '1 day') as errors
    from unnest(${clientIds}::text[]) c (id)`);
}

const WEEKS = 12;

/** Counted to the end, for a page that its owner opens now and then. */
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
