import { Prisma, type Statement } from '../platform/database.ts';
import { restsFor } from './usernames.ts';

/** Owns what people change about themselves: the statements, each of which changes one row or none. */

/** The days in which a wish to be deleted can be taken back. */
export const GRACE_DAYS = 14;

export type Profile = { name: string; username: string; locale: string | null };

/** It changes no row when the user name rests after somebody else gave it up. @throws a unique violation (23505) when it is somebody else's. */
export function changeProfile(accountId: string, { name, username, locale }: Profile): Statement {
  return Prisma.sql`
    update user_account set name = ${name}, username = ${username}, locale = ${locale}, updated_at = now()
    where id = ${accountId} and (username = ${username} or not ${restsFor(username, accountId)})`;
}

/**
 * Takes the place of the password that was just verified, and of no other: of two forms at once the second changes nothing.
 * @param before the hash that it was verified against; null for an account without a password.
 */
export function changePassword(accountId: string, before: string | null, hash: string): Statement {
  return Prisma.sql`
    update user_account set password_hash = ${hash}, updated_at = now()
    where id = ${accountId} and disabled_at is null and password_hash is not distinct from ${before}`;
}

/**
 * The writing of a new password, which must change a row: it does not when the account is disabled, or has another address meanwhile
 * than the one that was proven. A proof of the address is one for good. Ending what is open under the account is the caller's: endAccount().
 */
export function resetPasswordOf(accountId: string, provenEmail: string, passwordHash: string): Statement {
  return Prisma.sql`
    update user_account set password_hash = ${passwordHash}, email_verified = true, mailbox_proven_at = now(), devices_since = now(), updated_at = now()
    where id = ${accountId} and email = ${provenEmail} and disabled_at is null`;
}

/** Begins the days of grace. Ending what is open under the account is the caller's second half: endAccount(). */
export function scheduleDeletion(accountId: string): Statement {
  return Prisma.sql`
    update user_account set delete_after = now() + ${GRACE_DAYS} * interval '1 day', updated_at = now()
    where id = ${accountId} and delete_after is null`;
}

/** The days of grace begin again, for all who wait for deletion: after the restore of a backup, nobody knows who took the wish back since. */
export function grantGraceAgain(): Statement {
  return Prisma.sql`update user_account set delete_after = now() + ${GRACE_DAYS} * interval '1 day' where delete_after is not null`;
}

/** Takes the wish to be deleted back, while there is time. */
export function keepAccount(accountId: string): Statement {
  return Prisma.sql`update user_account set delete_after = null, updated_at = now() where id = ${accountId} and delete_after > now()`;
}
