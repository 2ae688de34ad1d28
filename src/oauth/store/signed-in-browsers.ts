import { type Database, isStorable, Prisma, type Statement } from '../../platform/database.ts';

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

/** @returns the account of a live session; undefined for an unknown session or one without a user. @param uid untrusted input. */
export async function findAccountOfSession(database: Database, uid: string): Promise<string | undefined> {
  if (!isStorable(uid)) return undefined;
  const [row] = await database.query<{ account_id: string | null }>(
    Prisma.sql`select account_id from session where uid = ${uid} and expires_at > now()`,
  );
  return row?.account_id ?? undefined;
}

/** Ends a session if it belongs to this user. */
export function endSession(accountId: string, uid: string): Statement {
  return Prisma.sql`delete from session where uid = ${uid} and account_id = ${accountId}`;
}

/** Ends all sessions of a user, and every sign-in in progress. Grants to apps remain. */
export function endSessions(accountId: string): Statement {
  return Prisma.sql`
    with sign_ins as (delete from protocol_record where account_id = ${accountId} and kind = 'Interaction')
    delete from session where account_id = ${accountId}`;
}
