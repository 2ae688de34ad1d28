import { type Database, Prisma, type Statement } from '../platform/database.ts';

/**
 * Owns when the user of an account last proved to read the mail of its address. A new factor, address or link takes a fresh proof, and a reset
 * removes what was added since the last one.
 */

/** The proof that waits for its code in one session; another session of the account cannot give it. */
export async function pendingProof(database: Database, accountId: string, sessionUid: string): Promise<string | undefined> {
  const [row] = await database.query<{ handle: string }>(Prisma.sql`
    select encode(id, 'hex') as handle from one_time_token
    where account_id = ${accountId} and purpose = 'prove_mailbox' and payload->>'session' = ${sessionUid} and expires_at > now() and consumed_at is null
    order by created_at desc limit 1`);
  return row?.handle;
}

/** Ends the proof that waits in a session: another one replaces it. */
export function forgetPendingProof(accountId: string, sessionUid: string): Statement {
  return Prisma.sql`
    delete from one_time_token where account_id = ${accountId} and purpose = 'prove_mailbox' and payload->>'session' = ${sessionUid}`;
}

/** Changes no row when the account has another address by now than the one that was proven. */
export function mailboxProven(accountId: string, email: string): Statement {
  return Prisma.sql`
    update user_account set mailbox_proven_at = now(), email_verified = true, updated_at = now()
    where id = ${accountId} and email = ${email} and disabled_at is null`;
}

/** Vouches for what the same transaction added: its user proved the mailbox in this session a moment ago. */
export function vouchFor(accountId: string): Statement {
  return Prisma.sql`update user_account set mailbox_proven_at = now() where id = ${accountId}`;
}
