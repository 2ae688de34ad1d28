import { Prisma, type Statement } from '../platform/database.ts';
import { restsFor } from './usernames.ts';

/** Owns the statements by which users change their own account. Each changes one row or none. */

/** Days in which a user can cancel the deletion of the account. */
export const GRACE_DAYS = 14;

export type Profile = { name: string; username: string; locale: string | null };

/**
 * Changes no row while the user name is reserved because another user gave it up.
 * @throws a unique violation (23505) when another account has it.
 */
export function changeProfile(accountId: string, { name, username, locale }: Profile): Statement {
  return Prisma.sql`
    update user_account set name = ${name}, username = ${username}, locale = ${locale}, updated_at = now()
    where id = ${accountId} and (username = ${username} or not ${restsFor(username, accountId)})`;
}

/**
 * Replaces exactly the password that was just verified, so that of two parallel forms the second changes nothing.
 * @param before the hash that was verified; null for an account without a password.
 */
export function changePassword(accountId: string, before: string | null, hash: string): Statement {
  return Prisma.sql`
    update user_account set password_hash = ${hash}, updated_at = now()
    where id = ${accountId} and disabled_at is null and password_hash is not distinct from ${before}`;
}

/**
 * Sets a new password, and must change a row. It changes none when the account is disabled or no longer has the proven address. It also
 * marks the address as verified. The caller must end sessions and grants with endAccount().
 */
export function resetPasswordOf(accountId: string, provenEmail: string, passwordHash: string): Statement {
  return Prisma.sql`
    update user_account set password_hash = ${passwordHash}, email_verified = true, mailbox_proven_at = now(), devices_since = now(), updated_at = now()
    where id = ${accountId} and email = ${provenEmail} and disabled_at is null`;
}

/** Starts the days of grace. The caller must also end sessions and grants with endAccount(). */
export function scheduleDeletion(accountId: string): Statement {
  return Prisma.sql`
    update user_account set delete_after = now() + ${GRACE_DAYS} * interval '1 day', updated_at = now()
    where id = ${accountId} and delete_after is null`;
}

/**
 * Restarts the days of grace for all accounts that wait for deletion. After the restore of a backup, nobody knows which users cancelled
 * since.
 */
export function grantGraceAgain(): Statement {
  return Prisma.sql`update user_account set delete_after = now() + ${GRACE_DAYS} * interval '1 day' where delete_after is not null`;
}

/** Cancels a deletion within the days of grace. */
export function keepAccount(accountId: string): Statement {
  return Prisma.sql`update user_account set delete_after = null, updated_at = now() where id = ${accountId} and delete_after > now()`;
}
