import { Prisma, type Statement } from '../../platform/database.ts';
import { place, recall } from './unit-of-work.ts';

/**
 * Owns the reading of an account together with what was issued for it, so that a request needs no second statement.
 * What an account is and may do is decided in people/store.ts.
 */

/** The displayable columns of an account that is not disabled, as one JSON value. */
export const accountAsJson = (accountId: Statement): Statement =>
  Prisma.sql`(select to_jsonb(a) from (select id, email, email_verified, username, name, role, locale, delete_after, devices_since, updated_at from user_account where id = ${accountId} and disabled_at is null) a)`;

export type AccountRow = Record<string, unknown>;

export function placeAccount(accountId: string, row: AccountRow | null): void {
  place(`Account ${accountId}`, row ?? undefined);
}

/** @returns the account that was read with a token, code or session of this request; undefined when none was read. */
export function recallAccount(accountId: string): Promise<AccountRow | undefined> | undefined {
  return recall(`Account ${accountId}`);
}

/**
 * Whether an account has a factor beside its password, as one boolean, for the statement that reads a session: every such request needs it.
 */
export const accountHasFactor = (accountId: Statement): Statement =>
  Prisma.sql`(exists (select from passkey where account_id = ${accountId}) or exists (select from totp_factor where account_id = ${accountId} and confirmed_at is not null))`;

export function placeHasFactor(accountId: string, has: boolean): void {
  place(`Factor of ${accountId}`, has);
}

/** @returns the value that was read with the session of this request; undefined when none was read. */
export function recallHasFactor(accountId: string): Promise<boolean> | undefined {
  return recall(`Factor of ${accountId}`);
}
