import type { Change } from '../../people/not-me.ts';
import { type Database, Prisma, type Statement } from '../../platform/database.ts';
import { digest } from '../../platform/secrets.ts';

/** Owns the use of a link "this was not me". people/not-me.ts owns the links in mails. */

export type NotMeLink = {
  accountId: string;
  change: Change;
  /** Recipient of the mail: the address that the account gets back. */
  email: string;
  /** When the change happened. */
  at: Date;
};

/**
 * @param secret as a stranger may write it.
 * @returns undefined for a link that was used, has expired or never existed, and for a disabled account.
 */
export async function findNotMeLink(database: Database, secret: string): Promise<NotMeLink | undefined> {
  const [row] = await database.query<NotMeLink>(Prisma.sql`
    select l.account_id as "accountId", l.change, l.email, l.created_at as at from not_me_link l join user_account u on u.id = l.account_id
    where l.id = ${digest(secret)} and l.expires_at > now() and u.disabled_at is null`);
  return row;
}

/** Uses a link once. The caller must check that it deletes a row. */
export function spendNotMeLink(secret: string): Statement {
  return Prisma.sql`delete from not_me_link where id = ${digest(secret)} and expires_at > now()`;
}

/**
 * Gives the account back: restores the earlier address and sets a password that its user chose. It must change a row.
 * @throws a unique violation (23505) when another account now has the address.
 */
export function giveBack({ accountId, email }: Pick<NotMeLink, 'accountId' | 'email'>, passwordHash: string): Statement {
  return Prisma.sql`
    update user_account set email = ${email}, email_verified = true, password_hash = ${passwordHash}, mailbox_proven_at = now(), devices_since = now(),
      updated_at = now()
    where id = ${accountId} and disabled_at is null`;
}
