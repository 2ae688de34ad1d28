import { type Database, isStorable, Prisma, type Statement } from '../platform/database.ts';
import type { Role } from './roles.ts';
import { findUser } from './store.ts';
import { freeUsername } from './usernames.ts';

/** Owns an operator's statements about users: search, accounts without a sign-up, and roles. */

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
 * Accounts by address.
 * @param search text that the address, the user name or the name contains, in any case; empty for all.
 * @param limit the most rows.
 */
export async function listAccounts(database: Database, search: string, limit: number): Promise<ListedAccount[]> {
  if (!isStorable(search)) return [];
  // Not a pattern: % and _ are ordinary characters in a name.
  const has = (column: Statement) => Prisma.sql`position(lower(${search}) in lower(${column})) > 0`;
  return database.aside<ListedAccount>(Prisma.sql`
    select email, email_verified, username, name, role::text, created_at, disabled_at, delete_after from user_account
    where ${has(Prisma.sql`email`)} or ${has(Prisma.sql`username`)} or ${has(Prisma.sql`name`)}
    order by email limit ${limit}`);
}

export type AccountRecord = { id: string; email: string; name: string; role: Role; locale: string | null; disabledAt: Date | null };

/** @returns an account, even a disabled one. @param email as the user typed it. */
export async function findAccountRecord(database: Database, email: string): Promise<AccountRecord | undefined> {
  return findUser(database, email);
}

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

/**
 * The insert of an account without a password and with an unproven address. Anyone who reads its mail can choose a password, and so proves
 * the address.
 * @throws a unique violation (23505) when the address is taken.
 */
export function insertAccountToClaim({ id, email, name, role }: { id: string; email: string; name: string; role: Role }): Statement {
  return Prisma.sql`
    insert into user_account (id, email, username, name, role)
    values (${id}, ${email}, ${freeUsername(email, id)}, ${name}, ${role}::user_role)`;
}

export type MovedAccount = {
  id: string;
  email: string;
  emailVerified: boolean;
  username: string;
  name: string;
  locale: string | null;
  passwordHash: string | null;
  disabled: boolean;
};

/**
 * The insert of accounts that come from another server. @param accounts with user names of freeUsernames().
 * @returns the statement, whose rows are the ids that were inserted: an account whose id, address or user name was taken meanwhile is not.
 */
export function insertMovedAccounts(accounts: MovedAccount[]): Statement {
  return Prisma.sql`
    insert into user_account (id, email, email_verified, username, name, locale, password_hash, disabled_at)
    select id, email, "emailVerified", username, name, locale, "passwordHash", case when disabled then now() end
    from jsonb_to_recordset(${JSON.stringify(accounts)}::jsonb) as moved (id text, email text, "emailVerified" bool, username text, name text,
      locale text, "passwordHash" text, disabled bool)
    on conflict do nothing returning id`;
}

/** Prevents a user from signing in. The caller must also end sessions and grants with endAccount(). */
export function disableAccount(accountId: string): Statement {
  return Prisma.sql`update user_account set disabled_at = coalesce(disabled_at, now()), updated_at = now() where id = ${accountId}`;
}

/** Lets a user sign in again. It does not restore sessions or grants. */
export function enableAccount(accountId: string): Statement {
  return Prisma.sql`update user_account set disabled_at = null, updated_at = now() where id = ${accountId}`;
}

export function changeRole(accountId: string, role: Role): Statement {
  return Prisma.sql`update user_account set role = ${role}::user_role, updated_at = now() where id = ${accountId}`;
}
