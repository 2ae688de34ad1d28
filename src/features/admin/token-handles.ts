import { HANDLE, isNamed } from '../../oauth/store/token-handles.ts';
import { type Database, Prisma } from '../../platform/database.ts';

/** Owns what operators read about single tokens. oauth/store/token-handles.ts owns the handles. */

/** @returns how many live opaque tokens a client holds. JWT access tokens are not stored. */
export async function countTokens(database: Database, clientId: string): Promise<number> {
  const [row] = await database.aside<{ count: number }>(Prisma.sql`
    select count(*)::int from token where client_id = ${clientId} and expires_at > now() and consumed_at is null`);
  return row?.count ?? 0;
}

export type NamedToken = { kind: string; client_id: string; account_id: string | null };

/** @returns the tokens that a handle names: one, unless two digests begin alike. None for an invalid handle. */
export function findByHandle(database: Database, handle: string): Promise<NamedToken[]> {
  if (!HANDLE.test(handle)) return Promise.resolve([]);
  return database.query<NamedToken>(Prisma.sql`select kind::text, client_id, account_id from token t where ${isNamed(handle)}`);
}
