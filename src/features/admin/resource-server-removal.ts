import { type Database, isStorable, Prisma, type Statement } from '../../platform/database.ts';

/** Owns the deletion of an API that a developer registered. The server creates its own APIs again at each start. */

/** @param id the id used in our paths, not the identifier. */
export async function findResourceServerById(
  database: Database,
  id: string,
): Promise<{ identifier: string; ownerId: string | null } | undefined> {
  if (!isStorable(id)) return undefined;
  return (await database.prisma.resourceServer.findUnique({ where: { id }, select: { identifier: true, ownerId: true } })) ?? undefined;
}

/**
 * Deletes an API with its scopes; its clients can no longer introspect for it. @returns a statement that returns a row, unless the API is
 * unknown.
 */
export function deleteResourceServer(identifier: string): Statement {
  return Prisma.sql`delete from resource_server where identifier = ${identifier} returning identifier`;
}
