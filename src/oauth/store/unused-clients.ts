import { Prisma, type Statement } from '../../platform/database.ts';

/**
 * Owns the removal of unused clients that registered themselves. A client that an operator created, verified, suspended or gave rights
 * stays,
 * and so does one with an owner in the portal.
 */

// Longer than a usual absence of users, and than the tokens of an app that is opened occasionally.
const IDLE = Prisma.sql`interval '90 days'`;

// `seen_at` is written at most once a day, because each write makes every node read the client again.
const SEEN_AGAIN = Prisma.sql`interval '1 day'`;

// Small, because rows that reference a client are deleted with it.
const BATCH_ROWS = 100;

/** Whether client `c` has live grants, codes or tokens, an owner, or something that an operator set. */
const IN_USE = Prisma.sql`
  (publisher is not null or introspects is not null or suspended_at is not null or services <> '{}' or origins <> '{}' or admin_scopes <> '{}'
    or exists (select from client_owner o where o.client_id = c.id)
    or exists (select from grant_record g where g.client_id = c.id and g.expires_at > now())
    or exists (select from authorization_code a where a.client_id = c.id and a.expires_at > now())
    or exists (select from token t where t.client_id = c.id and t.expires_at > now()))`;

/**
 * Takes the next batch of idle clients, for prune.ts. Clients in use get a new `seen_at`, so that they are not checked again for a while.
 * The others are deleted. A client whose row is locked, because something is being issued to it, is skipped.
 * @param turn see prune.ts. @param from where the last batch ended.
 */
export function endUnusedClients(turn: Statement, from: Date): Statement {
  return Prisma.sql`
    with ${turn},
    idle as materialized (
      select id, seen_at as moment, ${IN_USE} as used from client c
      where (select mine from turn) and registration = 'dynamic' and seen_at >= ${from} and seen_at <= now() - ${IDLE}
      order by seen_at limit ${BATCH_ROWS} for update skip locked),
    seen as (update client set seen_at = now() where id = any(array(select id from idle where used)) returning 1),
    gone as (delete from client where id = any(array(select id from idle where not used)) returning 1)
    select (select mine from turn) as mine, (select count(*)::int from gone) as rows, (select max(moment) from idle) as reached`;
}

/** Marks all clients as used. After the restore of a backup, no record shows which clients were used since. */
export function seeAllClients(): Statement {
  return Prisma.sql`update client set seen_at = now() where registration = 'dynamic'`;
}

/**
 * Records that clients were in use, as part of a statement that deletes their expired codes or tokens.
 * It does not wait for locks: a client whose row is locked is marked another time.
 * @param gone the part that deletes and returns `client_id`.
 */
export function seeClientsOf(gone: Statement): Statement {
  return Prisma.sql`
    update client set seen_at = now() where id = any(array(
      select id from client where id = any(array(select distinct client_id from ${gone})) and registration = 'dynamic' and seen_at < now() - ${SEEN_AGAIN}
      for no key update skip locked)) returning 1`;
}
