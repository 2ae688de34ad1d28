import type { Database } from '../platform/database.ts';
import { digest } from '../platform/secrets.ts';
import { type Payload, type ProtocolStore, rest, seconds } from './store.ts';
import { write } from './unit-of-work.ts';

/**
 * Owns browsers' sessions. The cookie's value is known to the browser alone; the `uid`, a handle that opens nothing,
 * is how tokens refer to the session they end with.
 */

type Row = { uid: string; account_id: string | null; expires_at: Date; payload: Record<string, unknown> };

const COLUMNS = ['uid', 'accountId'];

export function createSessionStore(database: Database): ProtocolStore {
  return {
    async upsert(id, payload, expiresInSeconds = 0) {
      await write(database, 'keep', async (sql) => {
        await sql.$executeRaw`
          insert into session (id, uid, account_id, expires_at, payload)
          values (${digest(id)}, ${payload.uid}, ${payload.accountId ?? null}, now() + ${expiresInSeconds} * interval '1 second', ${rest(payload, COLUMNS)}::jsonb)
          on conflict (id) do update set account_id = excluded.account_id, expires_at = excluded.expires_at, payload = excluded.payload`;
      });
    },
    async find(id) {
      const [row] = await database.prisma.$queryRaw<Row[]>`
        select uid, account_id, expires_at, payload from session where id = ${digest(id)} and expires_at > now()`;
      return row && { ...toPayload(row), jti: id };
    },
    async findByUid(uid) {
      const [row] = await database.prisma.$queryRaw<Row[]>`
        select uid, account_id, expires_at, payload from session where uid = ${uid} and expires_at > now()`;
      // Nobody who knows the handle learns the cookie's value: it is not here to be told.
      return row && toPayload(row);
    },
    async destroy(id) {
      await write(database, 'end', async (sql) => {
        await sql.$executeRaw`delete from session where id = ${digest(id)}`;
      });
    },
  };
}

function toPayload(row: Row): Payload {
  return {
    ...row.payload,
    kind: 'Session',
    uid: row.uid,
    exp: seconds(row.expires_at),
    ...(row.account_id === null ? undefined : { accountId: row.account_id }),
  };
}
