import { type Database, Prisma } from '../../platform/database.ts';

/**
 * Owns the end of what was issued and allowed for one API, across clients and users. No index leads from an audience to its tokens,
 * because every token would pay for it. So a scan reads the tables in slices of one short statement each, for callers that can wait.
 */

export const SLICE_ROWS = 20_000;

/**
 * Ends what was issued and allowed for a deleted API, so that the next owner of its identifier starts with nothing.
 * Grants stay for their other APIs. JWTs are not stored and expire by themselves.
 * Call it when nothing more is issued; a second call ends what is left. @returns tokens deleted.
 */
export async function endAudience(database: Database, identifier: string): Promise<number> {
  let ended = 0;
  for (let from: Uint8Array | undefined = new Uint8Array(); from; ) {
    const [slice]: { count: number; last: Uint8Array | null }[] = await database.aside(Prisma.sql`
      with slice as materialized (select id, payload->>'aud' as aud from token where id > ${from} order by id limit ${SLICE_ROWS}),
      gone as (delete from token where id in (select id from slice where aud = ${identifier}) returning 1)
      select (select count(*)::int from gone) as count, (select id from slice order by id desc limit 1) as last`);
    ended += slice?.count ?? 0;
    from = slice?.last ?? undefined;
  }
  for (let from: string | undefined = ''; from !== undefined; ) {
    const [slice]: { last: string | null }[] = await database.aside(Prisma.sql`
      with slice as materialized (
        select id, jsonb_exists(coalesce(payload->'resources', '{}') || coalesce(payload->'rejected'->'resources', '{}'), ${identifier}) as allows
        from grant_record where id > ${from} order by id limit ${SLICE_ROWS}),
      narrowed as (
        update grant_record set payload = payload #- array['resources', ${identifier}::text] #- array['rejected', 'resources', ${identifier}::text]
        where id in (select id from slice where allows) returning 1)
      select (select id from slice order by id desc limit 1) as last`);
    from = slice?.last ?? undefined;
  }
  return ended;
}
