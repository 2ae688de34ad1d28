import type { Database, Sql } from '../platform/database.ts';
import { type ProtocolStore, rest, seconds } from './store.ts';
import { write } from './unit-of-work.ts';

/**
 * Owns what people allowed clients, and the ending of it. Revocation has one door, here:
 * whoever ends something calls this file, and everything issued under it goes by cascade.
 */

const COLUMNS = ['clientId', 'accountId'];

type Row = { client_id: string; account_id: string; expires_at: Date; payload: Record<string, unknown> };

/** Ends one grant and every code and token under it. @param grantId a grant's id, not a token. @returns grants ended, 0 or 1. @see RFC 7009 section 2.1 */
export function revokeGrant(sql: Sql, grantId: string): Promise<number> {
  return sql.$executeRaw`delete from grant_record where id = ${grantId}`;
}

/** Ends everything a person allowed and every session of theirs: for a disabled account, a changed password. @returns grants ended. */
export async function endAccount(sql: Sql, accountId: string): Promise<number> {
  await sql.$executeRaw`delete from session where account_id = ${accountId}`;
  return sql.$executeRaw`delete from grant_record where account_id = ${accountId}`;
}

export function createGrantStore(database: Database): ProtocolStore {
  return {
    async upsert(id, payload, expiresInSeconds = 0) {
      await write(database, 'keep', async (sql) => {
        await sql.$executeRaw`
          insert into grant_record (id, client_id, account_id, expires_at, payload)
          values (${id}, ${payload.clientId}, ${payload.accountId}, now() + ${expiresInSeconds} * interval '1 second', ${rest(payload, COLUMNS)}::jsonb)
          on conflict (id) do update set expires_at = excluded.expires_at, payload = excluded.payload`;
      });
    },
    async find(id) {
      const [row] = await database.prisma.$queryRaw<Row[]>`
        select client_id, account_id, expires_at, payload from grant_record where id = ${id} and expires_at > now()`;
      return (
        row && { ...row.payload, kind: 'Grant', jti: id, exp: seconds(row.expires_at), clientId: row.client_id, accountId: row.account_id }
      );
    },
    async destroy(id) {
      await write(database, 'end', async (sql) => {
        await revokeGrant(sql, id);
      });
    },
  };
}
