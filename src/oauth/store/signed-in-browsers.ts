import { type Database, Prisma, type Statement } from '../../platform/database.ts';

/**
 * Owns a user's view of their sessions, and their end. Tokens of a session end with it at once, because every use of a token checks the
 * session.
 */

export type SignedInBrowser = {
  /** The handle that tokens refer to; it gives no access. */
  uid: string;
  browser: string | null;
  address: string | null;
  created_at: Date;
  used_at: Date;
  expires_at: Date;
};

/** Live sessions of a user, the last used first. */
export function listSessions(database: Database, accountId: string): Promise<SignedInBrowser[]> {
  return database.query<SignedInBrowser>(Prisma.sql`
    select uid, browser, address, created_at, used_at, expires_at from session
    where account_id = ${accountId} and expires_at > now() order by used_at desc, uid`);
}

/** Ends a session if it belongs to this user. */
export function endSession(accountId: string, uid: string): Statement {
  return Prisma.sql`delete from session where uid = ${uid} and account_id = ${accountId}`;
}
