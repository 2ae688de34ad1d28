import type { Provider } from 'oidc-provider';
import { placesOf } from '../../../oauth/clients/metadata/registration-policy.ts';
import type { Follower } from '../../../oauth/feature.ts';
import { pkceReason } from '../../../oauth/requests/pkce-policy.ts';
import type { Config } from '../../../platform/config.ts';
import { type Database, Prisma, type Statement } from '../../../platform/database.ts';
import type { Log } from '../../../platform/log.ts';
import { writeBehind } from '../../../platform/write-behind.ts';

/**
 * Owns the record of whether a client's latest codes were bound to the browser that asked for them (RFC 7636). It is collected in memory
 * and
 * written later, so that no request waits for it. Times are the database's, and up to a few seconds late.
 */

/** After this many codes in a row with a challenge, a client counts as one that sends it. */
export const ENOUGH_IN_A_ROW = 20;

const RECENT = Prisma.sql`interval '7 days'`;

/** `in_a_row`: number of codes with a challenge since the last code without one. */
type Row = { client_id: string; bound: boolean; unbound: boolean; in_a_row: number };

type PkceUse = {
  /** Adds one code. @param bound whether its request had a challenge. */
  add(clientId: string, bound: boolean): void;
  /** @returns what was added since the last call. */
  take(): Row[];
  /** Adds rows back that were taken and could not be written. */
  giveBack(rows: Row[]): void;
};

/** Records whether clients that may omit PKCE use it. The portal's trial requests do not count for the app. */
export function followPkceUse({ config, database, log }: { config: Config; database: Database; log: Log }): Follower {
  const use = createPkceUse();
  const { tryCallback } = placesOf(config);
  return {
    listen(provider: Provider) {
      provider.on('authorization.success', ({ oidc: { client, params } }) => {
        if (!client || pkceReason(client, config.pkce) || params?.['redirect_uri'] === tryCallback) return;
        use.add(client.clientId, Boolean(params?.['code_challenge']));
      });
    },
    write: writeBehind(use, { database, log, statement: savePkceUse, event: 'pkce_use_waits' }),
  };
}

function createPkceUse(): PkceUse {
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
 * Adds to what all nodes have written. Rows are written in one order, so that nodes cannot deadlock. A row of a client that was deleted
 * since
 * is skipped and does not stop the others.
 */
function savePkceUse(rows: Row[]): Statement {
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
 * @returns `bound` when the last twenty codes had a challenge, or all codes of the last seven days did. Otherwise `unbound`.
 * Undefined for a client without a record.
 */
export async function pkceUseOf(database: Database, clientId: string): Promise<'bound' | 'unbound' | undefined> {
  const [row] = await database.query<{ bound: boolean }>(Prisma.sql`
    select in_a_row >= ${ENOUGH_IN_A_ROW}::int or (in_a_row > 0 and bound_at > now() - ${RECENT} and coalesce(unbound_at <= now() - ${RECENT}, true)) as bound
    from client_pkce_use where client_id = ${clientId}`);
  return row && (row.bound ? 'bound' : 'unbound');
}
