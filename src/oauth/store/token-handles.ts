import { type Database, Prisma, type Statement } from '../../platform/database.ts';

/**
 * Owns what an operator sees of live tokens, and by what they name one: a handle, the beginning of the digest that the row is kept by.
 * It opens nothing, and nobody finds the token by it. The ending of grants is grants.ts's.
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

/** Whose tokens: a client's, a person's, or those that this person gave to this client. */
export type Holder = { clientId?: string | undefined; accountId?: string | undefined };

/** The tokens that have not expired, those that end last first. A refresh token that was used up is kept until then. */
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

/** How many live opaque tokens a client holds. JWT access tokens are kept nowhere. */
export async function countTokens(database: Database, clientId: string): Promise<number> {
  const [row] = await database.aside<{ count: number }>(Prisma.sql`
    select count(*)::int from token where client_id = ${clientId} and expires_at > now() and consumed_at is null`);
  return row?.count ?? 0;
}

export type NamedToken = { kind: string; client_id: string; account_id: string | null };

/** The tokens that a handle names: one, unless two digests begin alike. None for what is no handle. */
export function findByHandle(database: Database, handle: string): Promise<NamedToken[]> {
  if (!HANDLE.test(handle)) return Promise.resolve([]);
  return database.query<NamedToken>(Prisma.sql`select kind::text, client_id, account_id from token t where ${isNamed(handle)}`);
}

/** Ends the token that a handle names, and nothing else. */
export function endByHandle(handle: string): Statement {
  return Prisma.sql`delete from token t where ${isNamed(handle)}`;
}

/** What holds of the live token that a handle names, in a table called t. A range, so that the primary key finds it. */
export const isNamed = (handle: string) => Prisma.sql`
  t.id between decode(${handle.padEnd(64, '0')}, 'hex') and decode(${handle.padEnd(64, 'f')}, 'hex') and t.expires_at > now()`;
