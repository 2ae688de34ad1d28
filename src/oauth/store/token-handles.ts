import { Prisma, type Statement } from '../../platform/database.ts';

/**
 * Owns the handles of tokens: a handle is the first digits of the digest that the row is stored by. It names a token to an operator, gives
 * no access, and does not lead to the token's value.
 */

export const HANDLE_CHARACTERS = 16;

export const HANDLE = /^[0-9a-f]{16}$/;

/** Ends only the token that a handle names. */
export function endByHandle(handle: string): Statement {
  return Prisma.sql`delete from token t where ${isNamed(handle)}`;
}

/** Condition on `token t` for the live token that a handle names. A range, so that the primary key serves it. */
export const isNamed = (handle: string) => Prisma.sql`
  t.id between decode(${handle.padEnd(64, '0')}, 'hex') and decode(${handle.padEnd(64, 'f')}, 'hex') and t.expires_at > now()`;
