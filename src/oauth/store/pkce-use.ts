import { type Database, Prisma, type Statement } from '../../platform/database.ts';

/**
 * Owns the record of whether the latest codes of a client were bound to the browser that asked for them (RFC 7636). It is added up in memory and
 * written behind, so that no request waits for it. Times are the database's, so up to a few seconds late.
 */

/** So many codes in a row with a challenge are enough to say that a client sends one. */
export const ENOUGH_IN_A_ROW = 20;

const RECENT = Prisma.sql`interval '7 days'`;

/** `in_a_row`: codes with a challenge since the last one without. */
type Row = { client_id: string; bound: boolean; unbound: boolean; in_a_row: number };

export type PkceUse = {
  /** Adds one code. @param bound whether its request had a challenge. */
  add(clientId: string, bound: boolean): void;
  /** What was added since it was last taken. */
  take(): Row[];
  /** What was taken and could not be written. */
  giveBack(rows: Row[]): void;
};

export function createPkceUse(): PkceUse {
  let rows = new Map<string, Row>();
  const join = (older: Row | undefined, newer: Row | undefined): Row | undefined => {
    if (!older || !newer) return older ?? newer;
    return {
      client_id: newer.client_id,
      bound: older.bound || newer.bound,
      unbound: older.unbound || newer.unbound,
      in_a_row: Math.min(ENOUGH_IN_A_ROW, newer.in_a_row + (newer.unbound ? 0 : older.in_a_row)),
    };
  };
  const put = (clientId: string, row: Row | undefined) => row && rows.set(clientId, row);
  return {
    add(clientId, bound) {
      put(clientId, join(rows.get(clientId), { client_id: clientId, bound, unbound: !bound, in_a_row: Number(bound) }));
    },
    take() {
      const taken = [...rows.values()];
      rows = new Map();
      return taken;
    },
    giveBack(older) {
      for (const row of older) put(row.client_id, join(row, rows.get(row.client_id)));
    },
  };
}

/**
 * Adds to what this and other nodes have written. Rows are written in one order, so that no two nodes wait for each other. A client that was
 * deleted meanwhile has no record, and does not keep the others from theirs.
 */
export function savePkceUse(rows: Row[]): Statement {
  return Prisma.sql`
    with added as materialized (
      select a.* from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as a (client_id text, bound boolean, unbound boolean, in_a_row int)
      join client c on c.id = a.client_id order by c.id for key share of c)
    insert into client_pkce_use as u (client_id, bound_at, unbound_at, in_a_row)
    select client_id, case when bound then now() end, case when unbound then now() end, in_a_row from added
    on conflict (client_id) do update set
      bound_at = coalesce(excluded.bound_at, u.bound_at), unbound_at = coalesce(excluded.unbound_at, u.unbound_at),
      in_a_row = least(${ENOUGH_IN_A_ROW}::int, excluded.in_a_row + case when excluded.unbound_at is null then u.in_a_row else 0 end)`;
}

/**
 * What the latest codes of a client were: `bound` when the last twenty had a challenge, or all of the last seven days; `unbound` otherwise;
 * undefined for a client of which nothing is recorded.
 */
export async function pkceUseOf(database: Database, clientId: string): Promise<'bound' | 'unbound' | undefined> {
  const [row] = await database.query<{ bound: boolean }>(Prisma.sql`
    select in_a_row >= ${ENOUGH_IN_A_ROW}::int or (in_a_row > 0 and bound_at > now() - ${RECENT} and coalesce(unbound_at <= now() - ${RECENT}, true)) as bound
    from client_pkce_use where client_id = ${clientId}`);
  return row && (row.bound ? 'bound' : 'unbound');
}
