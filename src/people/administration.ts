import { type Database, isStorable, Prisma, type Statement } from '../platform/database.ts';
import type { Role } from './roles.ts';
import { findUser } from './store.ts';
import { freeUsername } from './usernames.ts';

/** Owns what an operator does about people: who there are, how one comes to be without signing up, and who may run the place. */

export type ListedAccount = {
  email: string;
  email_verified: boolean;
  username: string;
  name: string;
  role: Role;
  created_at: Date;
  disabled_at: Date | null;
  delete_after: Date | null;
};

/**
 * People by their addresses. @param search what the address, the user name or the name contains, in whichever case; all, when empty.
 * @param limit how many at most.
 */
export async function listAccounts(database: Database, search: string, limit: number): Promise<ListedAccount[]> {
  if (!isStorable(search)) return [];
  // Not a pattern: % and _ are letters of a name here.
  const has = (column: Statement) => Prisma.sql`position(lower(${search}) in lower(${column})) > 0`;
  return database.aside<ListedAccount>(Prisma.sql`
    select email, email_verified, username, name, role::text, created_at, disabled_at, delete_after from user_account
    where ${has(Prisma.sql`email`)} or ${has(Prisma.sql`username`)} or ${has(Prisma.sql`name`)}
    order by email limit ${limit}`);
}

export type AccountRecord = { id: string; email: string; name: string; role: Role; locale: string | null; disabledAt: Date | null };

/** An account, be it a disabled one. @param email as it was typed. */
export async function findAccountRecord(database: Database, email: string): Promise<AccountRecord | undefined> {
  return findUser(database, email);
}

/** The same by its id, as it stands in an address. */
export async function findAccountRecordById(database: Database, id: string): Promise<AccountRecord | undefined> {
  if (!isStorable(id)) return undefined;
  const select = { id: true, email: true, name: true, role: true, locale: true, disabledAt: true };
  return (await database.prisma.user.findUnique({ where: { id }, select })) ?? undefined;
}

/** The row of a person who still has the role that was read of them, locked. */
export function isStillAs({ id, role }: Pick<AccountRecord, 'id' | 'role'>): Statement {
  return Prisma.sql`select id from user_account where id = ${id} and role = ${role}::user_role for update`;
}

/** The admins who could go on without this one. @param locked all admins, in one order, so that of two changes at once the second sees the first. */
export function isAnotherAdmin(accountId: string, locked: boolean): Statement {
  const lock = locked ? Prisma.sql`for update` : Prisma.empty;
  return Prisma.sql`
    select id from (select id from user_account where role = 'admin' and disabled_at is null and delete_after is null order by id ${lock}) admins
    where id <> ${accountId}`;
}

/**
 * The writing of an account without a password, whose address nobody has proven yet: whoever reads its mail chooses one, and has proven it
 * then. @throws a unique violation (23505) when the address is taken.
 */
export function insertAccountToClaim({ id, email, name, role }: { id: string; email: string; name: string; role: Role }): Statement {
  return Prisma.sql`
    insert into user_account (id, email, username, name, role)
    values (${id}, ${email}, ${freeUsername(email, id)}, ${name}, ${role}::user_role)`;
}

/** Keeps a person from signing in. Ending what they have open is the caller's second half: endAccount(). */
export function disableAccount(accountId: string): Statement {
  return Prisma.sql`update user_account set disabled_at = coalesce(disabled_at, now()), updated_at = now() where id = ${accountId}`;
}

/** Lets a person sign in again. What was ended stays so. */
export function enableAccount(accountId: string): Statement {
  return Prisma.sql`update user_account set disabled_at = null, updated_at = now() where id = ${accountId}`;
}

export function changeRole(accountId: string, role: Role): Statement {
  return Prisma.sql`update user_account set role = ${role}::user_role, updated_at = now() where id = ${accountId}`;
}
