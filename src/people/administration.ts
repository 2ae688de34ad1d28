import { type Database, Prisma, type Statement } from '../platform/database.ts';
import type { Role } from './roles.ts';
import { findUser } from './store.ts';
import { freeUsername } from './usernames.ts';

/** Owns what operators do with users, whichever way: find one, create one without a sign-up, disable one. */

export type AccountRecord = { id: string; email: string; name: string; role: Role; locale: string | null; disabledAt: Date | null };

/** @returns an account, even a disabled one. @param email as the user typed it. */
export async function findAccountRecord(database: Database, email: string): Promise<AccountRecord | undefined> {
  return findUser(database, email);
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
