import { type Database, Prisma } from '../../platform/database.ts';
import { type AccountRow, accountAsJson, placeAccount } from './accounts.ts';
import { type GrantRow, grantAsJson, placeGrant } from './grants.ts';
import { placeSession, type SessionRow, sessionAsJson } from './sessions.ts';

/** Owns the reading of what a token that is not stored depends on: its grant, its session and its account. */

export type Ground = { grant: GrantRow | null; account: AccountRow | null };

/**
 * Reads them in one statement and remembers them for the request, so that the library does not read them again.
 * @param sessionUid undefined for a token that does not end with a session. @returns null for what was deleted, expired or disabled.
 */
export async function readGround(
  database: Database,
  { grantId, sessionUid, accountId }: { grantId: string; sessionUid: string | undefined; accountId: string },
): Promise<Ground> {
  const [row] = await database.query<Ground & { session: SessionRow | null }>(Prisma.sql`
    select ${grantAsJson(Prisma.sql`${grantId}`)} as grant, ${accountAsJson(Prisma.sql`${accountId}`)} as account,
      ${sessionAsJson(Prisma.sql`${sessionUid ?? null}::text`)} as session`);
  const { grant, account, session } = row as NonNullable<typeof row>;
  placeGrant(grantId, grant);
  placeAccount(accountId, account);
  if (sessionUid !== undefined) placeSession(sessionUid, session);
  return { grant, account };
}
