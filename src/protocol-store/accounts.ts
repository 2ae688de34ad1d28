import { Prisma, type Statement } from '../platform/database.ts';
import { place, recall } from './unit-of-work.ts';

/**
 * Owns the reading of an account along with what was issued for it, so that a request that goes on to the person
 * need not ask again. What an account is, and may do, is not decided here: see accounts/store.ts.
 */

/** The columns of an account that may be shown, unless it is disabled, as one JSON value. */
export const accountAsJson = (accountId: Statement): Statement =>
  Prisma.sql`(select to_jsonb(a) from (select id, email, email_verified, username, name, role, locale, delete_after, updated_at from user_account where id = ${accountId} and disabled_at is null) a)`;

export type AccountRow = Record<string, unknown>;

export function placeAccount(accountId: string, row: AccountRow | null): void {
  place(`Account ${accountId}`, row ?? undefined);
}

/** The account that came along with a token, code or session of this request; undefined when none did. */
export function recallAccount(accountId: string): Promise<AccountRow | undefined> | undefined {
  return recall(`Account ${accountId}`);
}
