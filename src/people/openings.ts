import { type Database, Prisma, type Statement } from '../platform/database.ts';
import { GRACE_DAYS } from './profile.ts';

/**
 * Owns the list of what opens an account beside its password, or acts in its name, and the removal of what was added since the user last proved the
 * mailbox. Somebody who knew the password may have added it. The user may keep what is named in the list.
 */

export type OpeningKind =
  | 'passkey'
  | 'totp'
  | 'recovery_codes'
  | 'link'
  | 'owner'
  | 'invitation'
  | 'secret'
  | 'initial_access_token'
  | 'deletion';

export type Opening = {
  kind: OpeningKind;
  /** Names it among those of its kind, and opens nothing. */
  id: string;
  /** What its user knows it by; null where the kind says it all. */
  label: string | null;
  since: Date;
  /** It came after the last proof of the mailbox, or from the moment on that is asked about. */
  added: boolean;
};

/** From this moment on a change is undone, however it was made. Without it, what a mail has vouched for stays. */
export type From = Date | undefined;

/** Whether a moment is after the last proof of the mailbox, or not before `from`. */
const isAdded = (accountId: string, moment: Statement, from: From): Statement => Prisma.sql`
  (${moment} > coalesce((select mailbox_proven_at from user_account where id = ${accountId}), '-infinity') or ${moment} >= ${from ?? 'infinity'}::timestamptz)`;

const SCHEDULED_AT = Prisma.sql`delete_after - ${GRACE_DAYS} * interval '1 day'`;

/** In the order in which a page names them. */
export function listOpenings(database: Database, accountId: string, from?: Date): Promise<Opening[]> {
  const digest = Prisma.sql`encode(s.digest, 'hex')`;
  const name = Prisma.sql`coalesce(c.metadata->>'client_name', c.id)`;
  return database.query<Opening>(Prisma.sql`
    select kind, id, label, since, ${isAdded(accountId, Prisma.sql`since`, from)} as added from (
      select 1 as rank, 'passkey' as kind, id, name as label, created_at as since from passkey where account_id = ${accountId}
      union all select 2, 'totp', account_id, null, created_at from totp_factor where account_id = ${accountId} and confirmed_at is not null
      union all select 3, 'recovery_codes', account_id, null, max(created_at) from recovery_code where account_id = ${accountId} group by account_id
      union all select 4, 'link', i.id, p.name, i.created_at from upstream_identity i join upstream_provider p on p.id = i.provider_id where i.account_id = ${accountId}
      union all select 5, 'owner', o.client_id || ' ' || o.account_id, u.email || ' · ' || ${name}, o.created_at
        from client_owner o join client c on c.id = o.client_id join user_account u on u.id = o.account_id where o.invited_by = ${accountId}
      union all select 6, 'invitation', v.id, v.email || ' · ' || ${name}, v.created_at
        from client_invitation v join client c on c.id = v.client_id where v.invited_by = ${accountId} and v.expires_at > now()
      union all select 7, 'secret', ${digest}, coalesce(s.hint || ' · ', '') || ${name}, s.created_at
        from client_secret s join client c on c.id = s.client_id where s.made_by = ${accountId} and (s.expires_at is null or s.expires_at > now())
      union all select 8, 'initial_access_token', id, name, created_at from initial_access_token where made_by = ${accountId} and expires_at > now()
      union all select 9, 'deletion', id, null, ${SCHEDULED_AT} from user_account where id = ${accountId} and delete_after is not null) all_of_them
    order by rank, since, id`);
}

/** The moment of now, by the clock that says when anything was added. */
export async function databaseTime(database: Database): Promise<Date> {
  const [row] = await database.query<{ now: Date }>(Prisma.sql`select now()::timestamptz(3) as now`);
  return (row as { now: Date }).now;
}

/** How a form names one that stays. */
export const nameOf = ({ kind, id }: Pick<Opening, 'kind' | 'id'>): string => `${kind} ${id}`;

/** Those that open the account by themselves: they are named although they stay. */
const OPENS: ReadonlySet<OpeningKind> = new Set(['passkey', 'totp', 'recovery_codes', 'link']);

export type ShownOpening = Opening & { name: string; kept: boolean };

/** What a page names, each with the name by which its form keeps it. @param keep names that were chosen already. */
export const shownOpenings = (openings: Opening[], keep: string[]): ShownOpening[] =>
  openings
    .filter(({ kind, added }) => added || OPENS.has(kind))
    .map((one) => ({ ...one, name: nameOf(one), kept: keep.includes(nameOf(one)) }));

/**
 * Removes what was added, to be run in one transaction. What a co-owner whom the account brought did in the portal since, goes too, and a client
 * that was handed on comes back. Run it before the account's new proof of the mailbox is written.
 * @param keep names of what stays, by nameOf(). @param linksUntil a link that is made later stays: the sign-in that ends in this reset may make one.
 */
export function removeAdded(accountId: string, keep: string[], { from, linksUntil }: { from?: Date; linksUntil?: Date } = {}): Statement[] {
  const goes = (kind: OpeningKind, id: Statement, moment: Statement = Prisma.sql`created_at`): Statement =>
    Prisma.sql`(${isAdded(accountId, moment, from)} and ${kind}::text || ' ' || ${id} <> all(${keep}::text[]))`;
  return [
    Prisma.sql`delete from passkey where account_id = ${accountId} and ${goes('passkey', Prisma.sql`id`)}`,
    Prisma.sql`delete from totp_factor where account_id = ${accountId} and ${goes('totp', Prisma.sql`account_id`)}`,
    Prisma.sql`delete from recovery_code where account_id = ${accountId} and ${goes('recovery_codes', Prisma.sql`account_id`)}`,
    Prisma.sql`delete from upstream_identity where account_id = ${accountId} and ${goes('link', Prisma.sql`id`)}
      and created_at <= ${linksUntil ?? 'infinity'}::timestamptz`,
    Prisma.sql`delete from initial_access_token where made_by = ${accountId} and ${goes('initial_access_token', Prisma.sql`id`)}`,
    Prisma.sql`delete from client_secret where made_by = ${accountId} and ${goes('secret', Prisma.sql`encode(digest, 'hex')`)}`,
    Prisma.sql`delete from client_invitation where invited_by = ${accountId} and ${goes('invitation', Prisma.sql`id`)}`,
    removeBrought(accountId, goes('owner', Prisma.sql`client_id || ' ' || account_id`)),
    Prisma.sql`
      update user_account set delete_after = null, updated_at = now()
      where id = ${accountId} and delete_after is not null and ${goes('deletion', Prisma.sql`id`, SCHEDULED_AT)}`,
  ];
}

/** Those whom the account brought, and whom these brought in turn, with their secrets and invitations of the same clients. */
function removeBrought(accountId: string, goes: Statement): Statement {
  return Prisma.sql`
    with recursive brought as (
      select client_id, account_id from client_owner where invited_by = ${accountId} and account_id <> ${accountId} and ${goes}
      union
      select o.client_id, o.account_id from client_owner o join brought b on b.client_id = o.client_id and b.account_id = o.invited_by
      where o.account_id <> ${accountId}),
    secrets as (delete from client_secret s using brought b where s.client_id = b.client_id and s.made_by = b.account_id),
    invitations as (delete from client_invitation v using brought b where v.client_id = b.client_id and v.invited_by = b.account_id),
    back as (
      insert into client_owner (client_id, account_id) select distinct client_id, ${accountId} from brought on conflict (client_id, account_id) do nothing)
    delete from client_owner o using brought b where o.client_id = b.client_id and o.account_id = b.account_id`;
}
