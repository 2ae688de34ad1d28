import { Prisma, type Statement } from '../platform/database.ts';

/**
 * Owns the leaving of clients that registered themselves and are not used. Nobody answers for such a client, and nobody would miss it; one
 * that an operator made, verified, suspended or gave anything is theirs, and one that somebody looks after in the portal is that person's.
 */

// Longer than people are away, and than the tokens of an app live that is opened now and then.
const IDLE = Prisma.sql`interval '90 days'`;

// Seen is written once a day at most: it tells every node to read the client again.
const SEEN_AGAIN = Prisma.sql`interval '1 day'`;

// With a client goes what hangs on it.
const BATCH_ROWS = 100;

/** Whether anything is open under the client `c`, or an operator has looked at it. */
const IN_USE = Prisma.sql`
  (publisher is not null or introspects is not null or suspended_at is not null or services <> '{}' or origins <> '{}' or admin_scopes <> '{}'
    or exists (select from client_owner o where o.client_id = c.id)
    or exists (select from grant_record g where g.client_id = c.id and g.expires_at > now())
    or exists (select from authorization_code a where a.client_id = c.id and a.expires_at > now())
    or exists (select from token t where t.client_id = c.id and t.expires_at > now()))`;

/**
 * The next batch of clients that have not been seen for long, as prune.ts takes them: those that are in use have been seen now, so that they
 * are not looked at again for as long; the others go. Who is being issued something holds the row, and is skipped.
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

/** All clients have been in use: after the restore of a backup, nobody knows which were since. */
export function seeAllClients(): Statement {
  return Prisma.sql`update client set seen_at = now() where registration = 'dynamic'`;
}

/**
 * Notes, as part of a statement that deletes what was issued and has expired, that its clients have been in use.
 * It waits for nobody: whoever holds the row of a client is seen another time.
 * @param gone the part that deletes, and returns `client_id`.
 */
export function seeClientsOf(gone: Statement): Statement {
  return Prisma.sql`
    update client set seen_at = now() where id = any(array(
      select id from client where id = any(array(select distinct client_id from ${gone})) and registration = 'dynamic' and seen_at < now() - ${SEEN_AGAIN}
      for no key update skip locked)) returning 1`;
}
