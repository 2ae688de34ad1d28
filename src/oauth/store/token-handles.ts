import { type Database, Prisma, type Statement } from '../../platform/database.ts';

/**
 * Owns an operator's view of live tokens. An operator names a token by a handle: the first digits of the digest that the row is stored by.
 * A handle gives no access, and does not lead to the token's value. grants.ts owns the end of grants.
 */

export const HANDLE_CHARACTERS = 16;

export const HANDLE = /^[0-9a-f]{16}$/;

export type ListedToken = {
  handle: string;
  kind: string;
  client_id: string;
  email: string | null;
  grant_id: string | null;
  scope: string | null;
  issued_at: Date | null;
  expires_at: Date;
  consumed_at: Date | null;
};

/** Selects tokens of a client, of a user, or of a user at a client. */
export type Holder = { clientId?: string | undefined; accountId?: string | undefined };

/** The unexpired tokens, latest expiry first. A used refresh token is stored until it expires. */
export function listTokens(database: Database, holder: Holder, limit: number): Promise<ListedToken[]> {
  return database.aside<ListedToken>(Prisma.sql`
    select substr(encode(t.id, 'hex'), 1, ${HANDLE_CHARACTERS}::int) as handle, t.kind::text, t.client_id, u.email, t.grant_id, t.payload->>'scope' as scope,
      to_timestamp((t.payload->>'iat')::float8) as issued_at, t.expires_at, t.consumed_at
    from token t left join user_account u on u.id = t.account_id
    where ${isHeldBy(holder)} and t.expires_at > now()
    order by t.expires_at desc, t.id limit ${limit}`);
}

function isHeldBy({ clientId, accountId }: Holder): Statement {
  const conditions = [
    ...(clientId === undefined ? [] : [Prisma.sql`t.client_id = ${clientId}`]),
    ...(accountId === undefined ? [] : [Prisma.sql`t.account_id = ${accountId}`]),
  ];
  if (!conditions.length) throw new RangeError('nobody is named whose tokens are meant');
  return Prisma.sql`(${Prisma.join(conditions, ' and ')})`;
}

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

/** Ends only the token that a handle names. */
export function endByHandle(handle: string): Statement {
  return Prisma.sql`delete from token t where ${isNamed(handle)}`;
}

/** Condition on `token t` for the live token that a handle names. A range, so that the primary key serves it. */
export const isNamed = (handle: string) => Prisma.sql`
  t.id between decode(${handle.padEnd(64, '0')}, 'hex') and decode(${handle.padEnd(64, 'f')}, 'hex') and t.expires_at > now()`;
