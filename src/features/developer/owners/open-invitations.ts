import { forgetOwner, leaveClient } from '../../../oauth/clients/owners.ts';
import { type Database, isStorable, Prisma, type Statement } from '../../../platform/database.ts';

/** Owns the invitations to own a client together. Statements run after lockClient(), so that each sees the previous change. */

export const MOST_INVITATIONS = 10;
export const INVITATION_DAYS = 7;

const INVITATION_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export type OpenInvitation = { id: string; email: string; transfer: boolean; expires: Date };

export function listInvitations(database: Database, clientId: string): Promise<OpenInvitation[]> {
  return database.query<OpenInvitation>(Prisma.sql`
    select id, email, transfer, expires_at as expires from client_invitation where client_id = ${clientId} and expires_at > now() order by created_at, id`);
}

/**
 * Runs after lockClient(). A second invitation replaces the first. Inserts no row when too many are open, or when the inviter is no owner.
 */
export function inviteOwner(clientId: string, by: string, email: string, transfer: boolean): Statement {
  return Prisma.sql`
    insert into client_invitation (id, client_id, email, invited_by, transfer, expires_at)
    select uuidv7()::text, o.client_id, ${email}, o.account_id, ${transfer}, now() + ${INVITATION_DAYS} * interval '1 day' from client_owner o
    where o.client_id = ${clientId} and o.account_id = ${by}
      and (select count(*) from client_invitation i where i.client_id = ${clientId} and i.email <> ${email} and i.expires_at > now()) < ${MOST_INVITATIONS}
    on conflict (client_id, email) do update
      set id = excluded.id, invited_by = excluded.invited_by, transfer = excluded.transfer, created_at = now(), expires_at = excluded.expires_at`;
}

/** @returns undefined for an invalid id. */
export function withdrawInvitation(clientId: string, id: string): Statement | undefined {
  return INVITATION_ID.test(id) ? Prisma.sql`delete from client_invitation where id = ${id} and client_id = ${clientId}` : undefined;
}

export type Invitation = {
  id: string;
  client_id: string;
  client_name: string | null;
  by: string;
  inviter: string;
  transfer: boolean;
  expires: Date;
};

/** The open invitations to an address, from someone who is still an owner. @param emails the spellings of the reader's verified address. */
export function listInvitationsTo(database: Database, emails: string[]): Promise<Invitation[]> {
  return database.query<Invitation>(Prisma.sql`
    select i.id, i.client_id, c.metadata->>'client_name' as client_name, i.invited_by as by, u.name as inviter, i.transfer, i.expires_at as expires
    from client_invitation i join client c on c.id = i.client_id
      join client_owner o on o.client_id = i.client_id and o.account_id = i.invited_by join user_account u on u.id = o.account_id
    where i.email = any(${emails}) and i.expires_at > now() order by i.created_at, i.id`);
}

/** @returns undefined unless it is open and for this address. */
export async function findInvitation(database: Database, emails: string[], id: string): Promise<Invitation | undefined> {
  if (!INVITATION_ID.test(id) || !isStorable(emails)) return undefined;
  return (await listInvitationsTo(database, emails)).find((invitation) => invitation.id === id);
}

/**
 * Accepts an invitation: statements that run together after lockClient(). The first must insert a row. It inserts none when the invitation
 * was answered, has expired, was for another address, or its sender is no longer an owner.
 * @param by the inviter, who leaves at the same moment if `transfer` is set.
 */
export function acceptInvitation(
  { id, client_id: clientId, by, transfer }: Pick<Invitation, 'id' | 'client_id' | 'by' | 'transfer'>,
  emails: string[],
  accountId: string,
): [joins: Statement, ...rest: Statement[]] {
  const leaves = transfer && by !== accountId;
  return [
    Prisma.sql`
      insert into client_owner (client_id, account_id, invited_by)
      select i.client_id, ${accountId}, i.invited_by from client_invitation i join client_owner o on o.client_id = i.client_id and o.account_id = i.invited_by
      where i.id = ${id} and i.email = any(${emails}) and i.client_id = ${clientId} and i.invited_by = ${by} and i.expires_at > now()
      on conflict (client_id, account_id) do update set created_at = client_owner.created_at`,
    Prisma.sql`delete from client_invitation where id = ${id}`,
    ...(leaves ? [leaveClient(clientId, by), ...forgetOwner(clientId, by)] : []),
  ];
}

/** Deletes an invitation, if it was made to one of these addresses. */
export function declineInvitation(id: string, emails: string[]): Statement {
  return Prisma.sql`delete from client_invitation where id = ${id} and email = any(${emails})`;
}
