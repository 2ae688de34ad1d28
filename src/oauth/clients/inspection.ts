import { type Database, isStorable, Prisma } from '../../platform/database.ts';

/** Owns an operator's view of one client: everything stored about it, but only the age of its secrets. */

export type ClientRecord = {
  id: string;
  /** RFC 7591 metadata as stored. */
  metadata: Record<string, unknown>;
  registration: 'operator' | 'dynamic';
  introspects: string | null;
  publisher: string | null;
  verified_at: Date | null;
  services: string[];
  origins: string[];
  /** Id of the initial access token that registered it. */
  registered_with: string | null;
  created_at: Date;
  updated_at: Date;
  suspended_at: Date | null;
  /** The live secrets, oldest first. Times in ISO 8601. */
  secrets: { made: string; expires: string | null }[];
};

/** @returns the client, also a suspended one; undefined for an unknown client. */
export async function findClientRecord(database: Database, clientId: string): Promise<ClientRecord | undefined> {
  if (!isStorable(clientId)) return undefined;
  const [row] = await database.query<ClientRecord>(Prisma.sql`
    select id, metadata, registration::text, introspects, publisher, verified_at, services, origins, registered_with, created_at, updated_at, suspended_at,
      coalesce((
        select jsonb_agg(jsonb_build_object('made', s.created_at, 'expires', s.expires_at) order by s.created_at, s.digest)
        from client_secret s where s.client_id = c.id and (s.expires_at is null or s.expires_at > now())), '[]') as secrets
    from client c where id = ${clientId}`);
  return row;
}
