import { type Database, isStorable, Prisma, type Statement } from '../platform/database.ts';

/** Owns the last errors of each client. What is noted of one is authorization-server/error-book.ts's. */

/** So many of each client are kept. */
export const KEPT_ERRORS = 100;

export type ClientErrorRow = {
  id: string;
  client_id: string;
  /** ISO 8601. */
  at: string;
  endpoint: string;
  error: string;
  description: string | null;
  request_id: string | null;
  detail: Record<string, unknown>;
};

/**
 * Writes errors of many clients, and deletes those beyond the newest of each. A client that has gone meanwhile has none to keep, and costs the
 * others nothing: its row is held while they are written. Nodes that write at once may leave a few too many until the next.
 */
export function keepClientErrors(rows: ClientErrorRow[]): Statement {
  return Prisma.sql`
    with told as materialized (
      select t.* from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb)
        as t (id text, client_id text, at timestamptz, endpoint text, error text, description text, request_id text, detail jsonb)
      join client c on c.id = t.client_id order by c.id for key share of c),
    kept as (
      insert into client_error (id, client_id, at, endpoint, error, description, request_id, detail)
      select id, client_id, at, endpoint, error, description, request_id, detail from told on conflict (id) do nothing),
    fresh as (select client_id, count(*)::int as many from told group by client_id)
    delete from client_error where id = any(array(
      select old.id from fresh, lateral (
        select e.id from client_error e where e.client_id = fresh.client_id
        order by e.at desc, e.id desc offset greatest(0, ${KEPT_ERRORS}::int - fresh.many)) old))`;
}

export type ClientError = Omit<ClientErrorRow, 'at' | 'client_id'> & { at: Date };

/** The errors of a client, the newest first. */
export function listClientErrors(database: Database, clientId: string): Promise<ClientError[]> {
  if (!isStorable(clientId)) return Promise.resolve([]);
  return database.query<ClientError>(Prisma.sql`
    select id, at, endpoint, error, description, request_id, detail from client_error
    where client_id = ${clientId} order by at desc, id desc limit ${KEPT_ERRORS}`);
}
