import { type Database, isStorable, Prisma, type Statement } from '../../../platform/database.ts';

/** Owns the latest errors of each client. features/developer/errors/error-book.ts decides what is stored of an error. */

/** How many errors are stored for each client and sender. */
export const KEPT_ERRORS = 100;

/**
 * Who caused an error. `client`: the client authenticated itself. `anyone`: the request only named the client.
 * `browser`: the same, and the browser may have followed anyone's link.
 */
export const SENDERS = ['client', 'anyone', 'browser'] as const;
export type Sender = (typeof SENDERS)[number];

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
  sender: Sender;
  /** How often an equal error happened; the row describes the last one. */
  times: number;
};

// Rows of an earlier version have no sender.
const SENDER = Prisma.sql`coalesce(e.detail->>'sender', 'browser')`;

/**
 * Writes errors of many clients, adds up equal ones, and deletes those beyond the newest of each sender. Errors of a client deleted since
 * are
 * skipped. The client rows are locked meanwhile. Nodes that write at once may leave a few rows too many until the next write.
 */
export function keepClientErrors(rows: ClientErrorRow[]): Statement {
  const kept = rows.map(({ sender, times, detail, ...row }) => ({ ...row, detail: { ...detail, sender, times } }));
  return Prisma.sql`
    with told as materialized (
      select t.* from jsonb_to_recordset(${JSON.stringify(kept)}::jsonb)
        as t (id text, client_id text, at timestamptz, endpoint text, error text, description text, request_id text, detail jsonb)
      join client c on c.id = t.client_id order by c.id for key share of c),
    kept as (
      insert into client_error (id, client_id, at, endpoint, error, description, request_id, detail)
      select id, client_id, at, endpoint, error, description, request_id, detail from told order by id
      on conflict (id) do update set at = excluded.at, request_id = excluded.request_id, detail = jsonb_set(excluded.detail, '{times}',
        to_jsonb(coalesce((client_error.detail->>'times')::int, 1) + (excluded.detail->>'times')::int))),
    fresh as (select client_id, detail->>'sender' as sender, count(*)::int as many from told group by 1, 2)
    delete from client_error where id = any(array(
      select old.id from fresh, lateral (
        select e.id from client_error e
        where e.client_id = fresh.client_id and ${SENDER} = fresh.sender and not exists (select from told t where t.id = e.id)
        order by e.at desc, e.id desc offset greatest(0, ${KEPT_ERRORS}::int - fresh.many)) old))`;
}

export type ClientError = Omit<ClientErrorRow, 'at' | 'client_id'> & { at: Date };

/** The errors of a client, by sender, newest first. */
export function listClientErrors(database: Database, clientId: string): Promise<ClientError[]> {
  if (!isStorable(clientId)) return Promise.resolve([]);
  return database.query<ClientError>(Prisma.sql`
    select id, at, endpoint, error, description, request_id, detail - 'sender' - 'times' as detail, ${SENDER} as sender,
      coalesce((detail->>'times')::int, 1) as times
    from client_error e where client_id = ${clientId}
    order by array_position(${[...SENDERS]}, ${SENDER}), at desc, id desc limit ${SENDERS.length * KEPT_ERRORS}`);
}
