import { Prisma, type Statement } from '../platform/database.ts';
import { digest, randomSecret } from '../platform/secrets.ts';

/**
 * Owns the links "this was not me" in mails about a change. The mail goes to the address that the account had before the change. For seven
 * days its link proves that its mail was read. features/account/not-me.ts undoes the change.
 */

export const NOT_ME_PATH = '/account/not-me';
export const NOT_ME_DAYS = 7;

/** Changes that such a mail reports. Each has a sentence on the page of the link, `not_me.change.<name>`. */
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

/** @returns the link's secret, and the insert to run in the transaction of the change, so that both have the same time. */
export function newNotMeLink({ accountId, change, email }: { accountId: string; change: Change; email: string }): {
  secret: string;
  statement: Statement;
} {
  const secret = randomSecret();
  const statement = Prisma.sql`
    insert into not_me_link (id, account_id, change, email, expires_at)
    values (${digest(secret)}, ${accountId}, ${change}, ${email}, now() + ${NOT_ME_DAYS} * interval '1 day')`;
  return { secret, statement };
}

/**
 * Deletes the links that a used one makes obsolete. These are later links, whose address an attacker may have added, and links to the same
 * address, whose user now has the account back. Earlier links to other addresses stay: their recipients had the account before.
 */
export function endOutdatedLinks(accountId: string, { email, at }: { email: string; at?: Date }): Statement {
  const later = at ? Prisma.sql`or created_at >= ${at}` : Prisma.empty;
  return Prisma.sql`delete from not_me_link where account_id = ${accountId} and (email = ${email} ${later})`;
}
