import type { AccountRecord } from '../../people/administration.ts';
import type { Role } from '../../people/roles.ts';
import { type Database, isStorable, Prisma, type Statement } from '../../platform/database.ts';

/** Owns the operators' statements about users, their roles and their sessions. */

/** The same by its id. @param id from a URL, unchecked. */
export async function findAccountRecordById(database: Database, id: string): Promise<AccountRecord | undefined> {
  if (!isStorable(id)) return undefined;
  const select = { id: true, email: true, name: true, role: true, locale: true, disabledAt: true };
  return (await database.prisma.user.findUnique({ where: { id }, select })) ?? undefined;
}

/** Locks the row of a user, if the user still has the role that was read before. */
export function isStillAs({ id, role }: Pick<AccountRecord, 'id' | 'role'>): Statement {
  return Prisma.sql`select id from user_account where id = ${id} and role = ${role}::user_role for update`;
}

/**
 * The active admins other than this one.
 * @param locked locks all admins in a fixed order, so that of two parallel changes the second sees the first.
 */
export function isAnotherAdmin(accountId: string, locked: boolean): Statement {
  const lock = locked ? Prisma.sql`for update` : Prisma.empty;
  return Prisma.sql`
    select id from (select id from user_account where role = 'admin' and disabled_at is null and delete_after is null order by id ${lock}) admins
    where id <> ${accountId}`;
}

/** Lets a user sign in again. It does not restore sessions or grants. */
export function enableAccount(accountId: string): Statement {
  return Prisma.sql`update user_account set disabled_at = null, updated_at = now() where id = ${accountId}`;
}

export function changeRole(accountId: string, role: Role): Statement {
  return Prisma.sql`update user_account set role = ${role}::user_role, updated_at = now() where id = ${accountId}`;
}

/** @returns the account of a live session; undefined for an unknown session or one without a user. @param uid untrusted input. */
export async function findAccountOfSession(database: Database, uid: string): Promise<string | undefined> {
  if (!isStorable(uid)) return undefined;
  const [row] = await database.query<{ account_id: string | null }>(
    Prisma.sql`select account_id from session where uid = ${uid} and expires_at > now()`,
  );
  return row?.account_id ?? undefined;
}

/** Ends all sessions of a user, and every sign-in in progress. Grants to apps remain. */
export function endSessions(accountId: string): Statement {
  return Prisma.sql`
    with sign_ins as (delete from protocol_record where account_id = ${accountId} and kind = 'Interaction')
    delete from session where account_id = ${accountId}`;
}
