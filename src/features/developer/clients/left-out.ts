import { type Database, Prisma } from '../../../platform/database.ts';

/** Owns how often users leave a scope out. It contains counts, never users. */

/** Without `resource`, a scope of this server's own API. `asked` counts the users who decided about it, `declined` those who left it out. */
export type LeftOut = { resource: string | null; name: string; asked: number; declined: number };

const MOST_GRANTS = 10_000;

/** @returns the scopes of a client's current grants, by the answers of up to ten thousand users. */
export function scopesLeftOut(database: Database, clientId: string): Promise<LeftOut[]> {
  const own = (path: string) =>
    Prisma.sql`select g.id, null::text as resource, string_to_array(g.payload#>>${`{${path}}`}::text[], ' ') as names`;
  const others = (payload: ReturnType<typeof own>) => Prisma.sql`
    select g.id, r.key as resource, string_to_array(r.value, ' ') as names from g, jsonb_each_text(coalesce(${payload}, '{}')) r`;
  return database.aside<LeftOut>(Prisma.sql`
    with g as (select id, payload from grant_record where client_id = ${clientId} and expires_at > now() limit ${MOST_GRANTS}),
    answers as (
      select *, false as declined from (${own('openid,scope')} from g union all ${others(Prisma.sql`g.payload->'resources'`)}) allowed
      union all
      select *, true as declined from (${own('rejected,openid,scope')} from g union all ${others(Prisma.sql`g.payload#>'{rejected,resources}'`)}) rejected),
    decided as (
      select id, resource, name, bool_or(declined) as declined from answers, unnest(names) as name where name <> '' group by id, resource, name)
    select resource, name, count(*)::int as asked, (count(*) filter (where declined))::int as declined
    from decided group by resource, name order by declined desc, resource nulls first, name`);
}

/** @returns the percentage of users who left a scope out; undefined when none was asked. */
export function shareLeftOut(rows: LeftOut[], { resource, name }: { resource?: string | undefined; name: string }): number | undefined {
  const row = rows.find((one) => one.name === name && (one.resource ?? undefined) === resource);
  return row && Math.round((100 * row.declined) / row.asked);
}
