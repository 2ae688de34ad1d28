import { SLICE_ROWS } from '../../../oauth/store/audiences.ts';
import { type Database, Prisma } from '../../../platform/database.ts';

/** Owns how many users and tokens the deletion of an API affects. oauth/store/audiences.ts says why it reads in slices. */

/** Counting stops here: callers need no exact larger number. */
export const COUNTED_AT_MOST = 10_000;

export type Affected = { people: number; tokens: number };

/** @returns how many users allowed a scope of an API, and how many stored tokens for it are live. */
export async function countAudience(database: Database, identifier: string): Promise<Affected> {
  const people = new Set<string>();
  let tokens = 0;
  for (let from: Uint8Array | undefined = new Uint8Array(); from && tokens < COUNTED_AT_MOST; ) {
    const [slice]: { count: number; last: Uint8Array | null }[] = await database.aside(Prisma.sql`
      with slice as materialized (select id, expires_at, payload->>'aud' as aud from token where id > ${from} order by id limit ${SLICE_ROWS})
      select (select count(*)::int from slice where aud = ${identifier} and expires_at > now()) as count,
        (select id from slice order by id desc limit 1) as last`);
    tokens += slice?.count ?? 0;
    from = slice?.last ?? undefined;
  }
  for (let from: string | undefined = ''; from !== undefined && people.size < COUNTED_AT_MOST; ) {
    const [slice]: { accounts: string[]; last: string | null }[] = await database.aside(Prisma.sql`
      with slice as materialized (
        select id, account_id, expires_at > now() and jsonb_exists(coalesce(payload->'resources', '{}'), ${identifier}) as allows
        from grant_record where id > ${from} order by id limit ${SLICE_ROWS})
      select array(select account_id from slice where allows limit ${COUNTED_AT_MOST}) as accounts, (select id from slice order by id desc limit 1) as last`);
    for (const account of slice?.accounts ?? []) people.add(account);
    from = slice?.last ?? undefined;
  }
  return { people: Math.min(people.size, COUNTED_AT_MOST), tokens: Math.min(tokens, COUNTED_AT_MOST) };
}
