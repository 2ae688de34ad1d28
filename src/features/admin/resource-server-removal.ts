import { type Database, isStorable, Prisma, type Statement } from '../../platform/database.ts';

/** Owns the end of an API that somebody registered. The server's own are made again at each start. */

/** @param id as addresses of ours name it. */
export async function findResourceServerById(
  database: Database,
  id: string,
): Promise<{ identifier: string; ownerId: string | null } | undefined> {
  if (!isStorable(id)) return undefined;
  return (await database.prisma.resourceServer.findUnique({ where: { id }, select: { identifier: true, ownerId: true } })) ?? undefined;
}

/** Its scopes go along; clients that introspect for it no longer do. @returns a row, unless it is unknown. */
export function deleteResourceServer(identifier: string): Statement {
  return Prisma.sql`delete from resource_server where identifier = ${identifier} returning identifier`;
}
