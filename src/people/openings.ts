import { type Database, Prisma, type Statement } from '../platform/database.ts';

/**
 * Owns the list of what gives access to an account besides its password, or acts in its name. Also removes what was added since the user
 * last proved the mailbox, because an attacker with the password may have added it. The user may keep listed items.
 */

/** Days in which a user can cancel the deletion of the account. */
export const GRACE_DAYS = 14;

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
  /** Identifies it within its kind, and gives no access. */
  id: string;
  /** The user's name for it; null when the kind says enough. */
  label: string | null;
  since: Date;
  /** Whether it was added after the last proof of the mailbox, or at or after the given time. */
  added: boolean;
};

/** Undoes every change from this time on, even one confirmed by mail. Without it, confirmed changes stay. */
export type From = Date | undefined;

/** Whether a time is after the last proof of the mailbox, or not before `from`. */
const isAdded = (accountId: string, moment: Statement, from: From): Statement => Prisma.sql`
  (${moment} > coalesce((select mailbox_proven_at from user_account where id = ${accountId}), '-infinity') or ${moment} >= ${from ?? 'infinity'}::timestamptz)`;

const SCHEDULED_AT = Prisma.sql`delete_after - ${GRACE_DAYS} * interval '1 day'`;

/** In the order of the page. */
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

/** The current time, by the clock that dates all changes. */
export async function databaseTime(database: Database): Promise<Date> {
  const [row] = await database.query<{ now: Date }>(Prisma.sql`select now()::timestamptz(3) as now`);
  return (row as { now: Date }).now;
}

/** The value by which a form names an item to keep. */
export const nameOf = ({ kind, id }: Pick<Opening, 'kind' | 'id'>): string => `${kind} ${id}`;

/** Kinds that open the account by themselves: the page lists them even when they stay. */
const OPENS: ReadonlySet<OpeningKind> = new Set(['passkey', 'totp', 'recovery_codes', 'link']);

export type ShownOpening = Opening & { name: string; kept: boolean };

/** The items of a page, each with its name in the form. @param keep names that the user has already chosen. */
export const shownOpenings = (openings: Opening[], keep: string[]): ShownOpening[] =>
  openings
    .filter(({ kind, added }) => added || OPENS.has(kind))
    .map((one) => ({ ...one, name: nameOf(one), kept: keep.includes(nameOf(one)) }));

/**
 * Statements that remove what was added, to run in one transaction. They also remove what a co-owner invited by this account did in the
 * portal since, and return a client that was handed over. Run them before the account's new proof of the mailbox is written.
 * @param keep names of items to keep, by nameOf().
 * @param linksUntil later links stay: the sign-in that ends in this reset may create one.
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

/**
 * Removes co-owners that the account invited, and those that they invited in turn, with their secrets and invitations of the same clients.
 */
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
