import { type Database, Prisma, type Statement } from '../platform/database.ts';
import { digest, randomSecret } from '../platform/secrets.ts';

/**
 * Owns the links "this was not me" in letters about a change. The letter goes to the address that the account had before the change, and its link
 * proves that its mail was read, for seven days. Does not undo anything: see features/account/not-me.ts.
 */

export const NOT_ME_PATH = '/account/not-me';
export const NOT_ME_DAYS = 7;

/** What a letter can be about. Each has a sentence on the page of the link, `not_me.change.<name>`. */
export const CHANGES = [
  'passkey_added',
  'passkey_removed',
  'totp_added',
  'totp_removed',
  'recovery_codes_added',
  'password_changed',
  'email_changed',
  'identity_linked',
  'identity_unlinked',
  'new_device',
  'deletion_scheduled',
  'owner_invited',
  'owner_joined',
  'client_secret_made',
] as const;

export type Change = (typeof CHANGES)[number];

export type NotMeLink = {
  accountId: string;
  change: Change;
  /** Where the letter went: the address that the account gets back. */
  email: string;
  /** The moment of the change. */
  at: Date;
};

/** @returns the link's secret, and its writing, to be run in the transaction of the change: both have the same moment then. */
export function newNotMeLink({ accountId, change, email }: Omit<NotMeLink, 'at'>): { secret: string; statement: Statement } {
  const secret = randomSecret();
  const statement = Prisma.sql`
    insert into not_me_link (id, account_id, change, email, expires_at)
    values (${digest(secret)}, ${accountId}, ${change}, ${email}, now() + ${NOT_ME_DAYS} * interval '1 day')`;
  return { secret, statement };
}

/** @param secret as a stranger may write it. @returns undefined for a link that was used, has expired, or never was, and for a disabled account. */
export async function findNotMeLink(database: Database, secret: string): Promise<NotMeLink | undefined> {
  const [row] = await database.query<NotMeLink>(Prisma.sql`
    select l.account_id as "accountId", l.change, l.email, l.created_at as at from not_me_link l join user_account u on u.id = l.account_id
    where l.id = ${digest(secret)} and l.expires_at > now() and u.disabled_at is null`);
  return row;
}

/** Uses a link. It must delete a row, and then has done so once. */
export function spendNotMeLink(secret: string): Statement {
  return Prisma.sql`delete from not_me_link where id = ${digest(secret)} and expires_at > now()`;
}

/**
 * Ends the links that a used one outdates: each later one, which went to an address that somebody else may have brought, and each to the same
 * address, whose user has the account back. Earlier ones to another address stay: they went to who had the account before.
 */
export function endOutdatedLinks(accountId: string, { email, at }: { email: string; at?: Date }): Statement {
  const later = at ? Prisma.sql`or created_at >= ${at}` : Prisma.empty;
  return Prisma.sql`delete from not_me_link where account_id = ${accountId} and (email = ${email} ${later})`;
}

/**
 * Gives the account back: its address of before, and a password that its user chose. It must change a row.
 * @throws a unique violation (23505) when the address is another account's by now.
 */
export function giveBack({ accountId, email }: Pick<NotMeLink, 'accountId' | 'email'>, passwordHash: string): Statement {
  return Prisma.sql`
    update user_account set email = ${email}, email_verified = true, password_hash = ${passwordHash}, mailbox_proven_at = now(), devices_since = now(),
      updated_at = now()
    where id = ${accountId} and disabled_at is null`;
}
