import { type Database, Prisma, type Statement } from '../../platform/database.ts';

/**
 * Owns the proof that a user reads the mail of the account's address. A new factor, address or link needs a fresh one. A password reset
 * removes what was added since the last proof: see people/openings.ts.
 */

/** The pending proof of one session; another session of the account cannot complete it. */
export async function pendingProof(database: Database, accountId: string, sessionUid: string): Promise<string | undefined> {
  const [row] = await database.query<{ handle: string }>(Prisma.sql`
    select encode(id, 'hex') as handle from one_time_token
    where account_id = ${accountId} and purpose = 'prove_mailbox' and payload->>'session' = ${sessionUid} and expires_at > now() and consumed_at is null
    order by created_at desc limit 1`);
  return row?.handle;
}

/** Deletes the pending proof of a session before a new one replaces it. */
export function forgetPendingProof(accountId: string, sessionUid: string): Statement {
  return Prisma.sql`
    delete from one_time_token where account_id = ${accountId} and purpose = 'prove_mailbox' and payload->>'session' = ${sessionUid}`;
}

/** Changes no row when the account now has an address other than the proven one. */
export function mailboxProven(accountId: string, email: string): Statement {
  return Prisma.sql`
    update user_account set mailbox_proven_at = now(), email_verified = true, updated_at = now()
    where id = ${accountId} and email = ${email} and disabled_at is null`;
}
