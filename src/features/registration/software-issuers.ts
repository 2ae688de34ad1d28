import type { JSONWebKeySet } from 'jose';
import { type Database, isStorable, Prisma, type Statement } from '../../platform/database.ts';

/**
 * Owns who is believed about software (RFC 7591 section 2.3): issuers that an operator trusts, and the public keys by which they sign.
 * What a statement says, and whether it holds, is features/registration/software-statements.ts's.
 */

/** `iss` of the statements, and a name in the operator's words. */
export type SoftwareIssuer = { issuer: string; name: string; jwks: JSONWebKeySet; created_at: Date };

/** @returns undefined for one that nobody trusts. */
export async function findSoftwareIssuer(database: Database, issuer: string): Promise<SoftwareIssuer | undefined> {
  if (!isStorable(issuer)) return undefined;
  const [row] = await database.query<SoftwareIssuer>(
    Prisma.sql`select issuer, name, jwks, created_at from software_statement_issuer where issuer = ${issuer}`,
  );
  return row;
}

/** In the order they came. */
export function listSoftwareIssuers(database: Database): Promise<SoftwareIssuer[]> {
  return database.query<SoftwareIssuer>(
    Prisma.sql`select issuer, name, jwks, created_at from software_statement_issuer order by created_at, issuer`,
  );
}

/** Trusts an issuer, or puts other keys and another name in the place of those that it has. @returns a row. */
export function trustSoftwareIssuer({ issuer, name, jwks }: Omit<SoftwareIssuer, 'created_at'>): Statement {
  return Prisma.sql`
    insert into software_statement_issuer (issuer, name, jwks) values (${issuer}, ${name}, ${JSON.stringify(jwks)}::jsonb)
    on conflict (issuer) do update set name = excluded.name, jwks = excluded.jwks returning issuer as id`;
}

/** Clients that came with its statements stay as they are. @returns a row, unless it is unknown. */
export function distrustSoftwareIssuer(issuer: string): Statement {
  return Prisma.sql`delete from software_statement_issuer where issuer = ${issuer} returning issuer as id`;
}
