import { type Database, Prisma, type Statement } from '../../platform/database.ts';

/** Owns the change of a user's address. It takes effect only after the user has proven access to the new mailbox (proofs.ts). */

export type PendingChange = { handle: string; email: string };

/** @returns the address that waits for its proof, if there is one. */
export async function pendingChange(database: Database, accountId: string): Promise<PendingChange | undefined> {
  const [row] = await database.query<PendingChange>(Prisma.sql`
    select encode(id, 'hex') as handle, email from one_time_token
    where account_id = ${accountId} and purpose = 'change_email' and expires_at > now() and consumed_at is null
    order by created_at desc limit 1`);
  return row;
}

/** @returns the statement that deletes the pending change, to replace or cancel it. */
export function forgetPendingChange(accountId: string): Statement {
  return Prisma.sql`delete from one_time_token where account_id = ${accountId} and purpose = 'change_email'`;
}

/** @param before the address to replace. @throws a unique violation (23505) when another account has the new address by now. */
export function changeEmail(accountId: string, before: string, email: string): Statement {
  return Prisma.sql`
    update user_account set email = ${email}, email_verified = true, mailbox_proven_at = now(), updated_at = now()
    where id = ${accountId} and email = ${before} and disabled_at is null`;
}
