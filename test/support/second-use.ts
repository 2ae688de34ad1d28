import type { TestStock } from './environment.ts';

/**
 * Moves the first use of every code and refresh token on the database's clock.
 * @param secondsAgo negative for a use that stays recent, however slow this machine is.
 */
export async function setUses({ sql }: Pick<TestStock, 'sql'>, secondsAgo: number): Promise<void> {
  for (const table of ['token', 'authorization_code', 'protocol_record'])
    await sql(`update ${table} set consumed_at = now() - $1 * interval '1 second' where consumed_at is not null`, [secondsAgo]);
}

/** For codes, whose second is shorter than a slow request: as if the first use were always a moment ago. */
export const holdUses = (server: Pick<TestStock, 'sql'>): Promise<void> => setUses(server, -3_600);
