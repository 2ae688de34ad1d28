import { type Database, Prisma } from '../../platform/database.ts';

/**
 * @returns whether a code can still be redeemed: it is unused, and neither it nor its grant was revoked.
 * @param digest SHA-256 of the code, in hexadecimal.
 */
export async function isCodeUnused(database: Database, digest: string): Promise<boolean> {
  const id = new Uint8Array(Buffer.from(digest, 'hex'));
  const rows = await database.query(
    Prisma.sql`select 1 from authorization_code where id = ${id} and consumed_at is null and expires_at > now()`,
  );
  return rows.length > 0;
}
