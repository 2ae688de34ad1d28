import type { TestStock } from './environment.ts';

/** Moves the first use of every code and refresh token into the past, as if time had passed on the database's clock. */
export async function ageUses({ sql }: Pick<TestStock, 'sql'>, seconds: number): Promise<void> {
  for (const table of ['token', 'authorization_code', 'protocol_record'])
    await sql(`update ${table} set consumed_at = consumed_at - $1 * interval '1 second' where consumed_at is not null`, [seconds]);
}
