import { type Database, Prisma } from '../platform/database.ts';

/** Owns the view of a person's grants by client: to whom they gave access, to what, and whether it is used. Ending is grants.ts's. */

/** What a grant allows: scopes of the server itself, and by resource server. */
export type GrantedScopes = {
  openid?: { scope?: string };
  resources?: Record<string, string>;
};

export type ConnectedClient = {
  id: string;
  name: string | null;
  /** Who an operator found behind it; null when nobody looked. */
  publisher: string | null;
  registration: 'operator' | 'dynamic';
  grants: GrantedScopes[];
  granted_at: Date;
  /** When something was last issued under its grants, as far back as that is kept. */
  used_at: Date | null;
};

/** @param except the client that our own pages sign in as: nobody allowed it anything. */
export function listConnectedClients(database: Database, accountId: string, except: string): Promise<ConnectedClient[]> {
  return database.query<ConnectedClient>(Prisma.sql`
    select c.id, c.metadata->>'client_name' as name, c.publisher, c.registration::text, g.grants, g.granted_at, g.used_at
    from (
      select client_id, min(created_at) as granted_at,
        jsonb_agg(payload - 'rejected') as grants,
        max((select to_timestamp(max((t.payload->>'iat')::float8)) from token t where t.grant_id = r.id)) as used_at
      from grant_record r where account_id = ${accountId} and client_id <> ${except} and expires_at > now() group by client_id
    ) g join client c on c.id = g.client_id
    order by g.granted_at desc, c.id`);
}
