import { type Database, Prisma, type Statement } from '../../platform/database.ts';

/**
 * Owns who owns a client. A client never loses its last owner here. Statements that change a client's owners run after lockClient(),
 * so that each sees the previous change.
 */

export type CoOwner = { id: string; name: string; email: string; since: Date };

/** In the order in which they joined. Only co-owners see each other's addresses. */
export function listOwners(database: Database, clientId: string): Promise<CoOwner[]> {
  return database.query<CoOwner>(Prisma.sql`
    select u.id, u.name, u.email, o.created_at as since from client_owner o join user_account u on u.id = o.account_id
    where o.client_id = ${clientId} order by o.created_at, u.id`);
}

/** @returns the owners to notify about an act on a client, with their language and the app's name. */
export function ownersToTell(
  database: Database,
  clientId: string,
): Promise<{ email: string; name: string; locale: string | null; app: string | null }[]> {
  return database.query(Prisma.sql`
    select u.email, u.name, u.locale, c.metadata->>'client_name' as app
    from client_owner o join user_account u on u.id = o.account_id join client c on c.id = o.client_id
    where o.client_id = ${clientId} and u.disabled_at is null order by u.id`);
}

/** Runs first, in the same transaction. */
export function lockClient(clientId: string): Statement {
  return Prisma.sql`select 1 from client where id = ${clientId} for no key update`;
}

/** Removes an owner from a client. Deletes no row when there is no other owner. The caller also runs forgetOwner(). */
export function leaveClient(clientId: string, accountId: string): Statement {
  return Prisma.sql`
    delete from client_owner where client_id = ${clientId} and account_id = ${accountId}
      and exists (select from client_owner o where o.client_id = ${clientId} and o.account_id <> ${accountId})`;
}

/**
 * Removes what depends on a former owner: the owner's invitations, and the client's right to introspect for that owner's API.
 * The client's own tokens for such an API end too.
 */
export function forgetOwner(clientId: string, accountId: string): Statement[] {
  return [
    Prisma.sql`delete from client_invitation where client_id = ${clientId} and invited_by = ${accountId}`,
    Prisma.sql`
      update client c set introspects = null, updated_at = now() from resource_server r
      where c.id = ${clientId} and r.identifier = c.introspects and r.owner_id = ${accountId}`,
    Prisma.sql`
      delete from token t using resource_server r
      where t.client_id = ${clientId} and t.kind = 'ClientCredentials' and r.identifier = t.payload->>'aud' and r.owner_id = ${accountId}`,
  ];
}

/** Adds an owner, together with the client or later. */
export function addOwner(clientId: string, accountId: string): Statement {
  return Prisma.sql`insert into client_owner (client_id, account_id) values (${clientId}, ${accountId}) on conflict do nothing`;
}
