import type { JSONWebKeySet } from 'jose';
import { type Database, isStorable, Prisma, type Statement } from '../../platform/database.ts';

/**
 * Owns the trusted issuers of software statements (RFC 7591 section 2.3), with their public keys. An operator chooses them.
 * features/registration/software-statements.ts validates the statements.
 */

/** `issuer` is the `iss` of the statements; the operator chose the name. */
export type SoftwareIssuer = { issuer: string; name: string; jwks: JSONWebKeySet; created_at: Date };

/** @returns undefined for an issuer that no operator trusts. */
export async function findSoftwareIssuer(database: Database, issuer: string): Promise<SoftwareIssuer | undefined> {
  if (!isStorable(issuer)) return undefined;
  const [row] = await database.query<SoftwareIssuer>(
    Prisma.sql`select issuer, name, jwks, created_at from software_statement_issuer where issuer = ${issuer}`,
  );
  return row;
}

/** @returns the issuers in the order of their creation. */
export function listSoftwareIssuers(database: Database): Promise<SoftwareIssuer[]> {
  return database.query<SoftwareIssuer>(
    Prisma.sql`select issuer, name, jwks, created_at from software_statement_issuer order by created_at, issuer`,
  );
}

/** Trusts an issuer, or replaces its keys and its name. @returns a statement that returns a row. */
export function trustSoftwareIssuer({ issuer, name, jwks }: Omit<SoftwareIssuer, 'created_at'>): Statement {
  return Prisma.sql`
    insert into software_statement_issuer (issuer, name, jwks) values (${issuer}, ${name}, ${JSON.stringify(jwks)}::jsonb)
    on conflict (issuer) do update set name = excluded.name, jwks = excluded.jwks returning issuer as id`;
}

/** Clients registered with its statements stay as they are. @returns a statement that returns a row, unless the issuer is unknown. */
export function distrustSoftwareIssuer(issuer: string): Statement {
  return Prisma.sql`delete from software_statement_issuer where issuer = ${issuer} returning issuer as id`;
}
