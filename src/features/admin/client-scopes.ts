import type { AdminScope } from '../../oauth/scopes/admin-scopes.ts';
import { type Database, isStorable, Prisma, type Statement } from '../../platform/database.ts';

/** Owns which admin scopes operators let a client ask for. */

/** @returns the admin scopes that an operator allows a client to ask for; undefined for an unknown client. */
export async function readAdminScopes(database: Database, clientId: string): Promise<AdminScope[] | undefined> {
  if (!isStorable(clientId)) return undefined;
  const [row] = await database.query<{ scopes: AdminScope[] }>(
    Prisma.sql`select admin_scopes as scopes from client where id = ${clientId}`,
  );
  return row?.scopes;
}

/**
 * Sets the admin scopes that a client may ask for. @param before its admin scopes when the operator decided.
 * @returns a statement that yields a row, unless those have changed.
 */
export function allowAdminScopes(clientId: string, scopes: AdminScope[], before: AdminScope[]): Statement {
  return Prisma.sql`
    update client set admin_scopes = ${scopes}, updated_at = now() where id = ${clientId} and admin_scopes = ${before}::text[] returning id`;
}
