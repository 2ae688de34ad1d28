import { GRACE_DAYS } from '../../people/openings.ts';
import { Prisma, type Statement } from '../../platform/database.ts';

/** Owns the days between the wish to delete an account and its deletion, in which its user can cancel it. oauth/store/prune.ts deletes. */

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
