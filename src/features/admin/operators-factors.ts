import { DAY } from '../../platform/clock.ts';
import { type Database, Prisma } from '../../platform/database.ts';

/**
 * Owns the deadline until which an operator may work without a second factor. A trigger sets it when the role is given (prisma/migrations).
 */

/** @returns how many days remain to set up a factor; 0 after the deadline, or when the account has one. */
export async function factorGraceDays(database: Database, accountId: string): Promise<number> {
  const [row] = await database.query<{ days: number }>(Prisma.sql`
    select greatest(0, ceil(extract(epoch from factor_due_at - now()) / ${DAY}))::int as days from user_account
    where id = ${accountId} and factor_due_at is not null
      and not exists (select from passkey where account_id = ${accountId})
      and not exists (select from totp_factor where account_id = ${accountId} and confirmed_at is not null)`);
  return row?.days ?? 0;
}
