import { DAY } from '../../platform/clock.ts';
import { type Database, Prisma } from '../../platform/database.ts';

/** Owns until when an operator may do without a second factor. A trigger writes that day when the role is given (prisma/migrations). */

/** How many days are left to set one up: none, when the day is over, or when there is a factor that could be shown. */
export async function factorGraceDays(database: Database, accountId: string): Promise<number> {
  const [row] = await database.query<{ days: number }>(Prisma.sql`
    select greatest(0, ceil(extract(epoch from factor_due_at - now()) / ${DAY}))::int as days from user_account
    where id = ${accountId} and factor_due_at is not null
      and not exists (select from passkey where account_id = ${accountId})
      and not exists (select from totp_factor where account_id = ${accountId} and confirmed_at is not null)`);
  return row?.days ?? 0;
}
