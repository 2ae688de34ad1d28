import { type Database, isStorable, Prisma, type Statement } from '../../platform/database.ts';

/** Owns what a person sees of their sessions, and the ending of them. What ends with a session, ends at once: every look at a token asks for it. */

export type SignedInBrowser = {
  /** The handle that tokens refer to; it opens nothing. */
  uid: string;
  browser: string | null;
  address: string | null;
  created_at: Date;
  used_at: Date;
  expires_at: Date;
};

/** Live sessions of a person, the last used first. */
export function listSessions(database: Database, accountId: string): Promise<SignedInBrowser[]> {
  return database.query<SignedInBrowser>(Prisma.sql`
    select uid, browser, address, created_at, used_at, expires_at from session
    where account_id = ${accountId} and expires_at > now() order by used_at desc, uid`);
}

/** Whose live session it is; undefined for one that there is not, or in which nobody has signed in. @param uid as a stranger may write it. */
export async function findAccountOfSession(database: Database, uid: string): Promise<string | undefined> {
  if (!isStorable(uid)) return undefined;
  const [row] = await database.query<{ account_id: string | null }>(
    Prisma.sql`select account_id from session where uid = ${uid} and expires_at > now()`,
  );
  return row?.account_id ?? undefined;
}

/** Ends a session, if it is this person's. */
export function endSession(accountId: string, uid: string): Statement {
  return Prisma.sql`delete from session where uid = ${uid} and account_id = ${accountId}`;
}

/** Ends all sessions of a person but one. @param uid the one in front of which they sit. */
export function endOtherSessions(accountId: string, uid: string): Statement {
  return Prisma.sql`delete from session where account_id = ${accountId} and uid <> ${uid}`;
}

/** Ends all sessions of a person, and every sign-in that is about to become one. What apps were allowed stays. */
export function endSessions(accountId: string): Statement {
  return Prisma.sql`
    with sign_ins as (delete from protocol_record where account_id = ${accountId} and kind = 'Interaction')
    delete from session where account_id = ${accountId}`;
}
