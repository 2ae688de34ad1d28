import type { Language } from '../../http/language.ts';
import { type Database, Prisma } from '../../platform/database.ts';
import { allowedScopes } from './decisions.ts';

/** Owns the view of a user's grants by client: which clients have access, to what, and when it was last used. grants.ts owns revocation. */

export type ConnectedClient = {
  id: string;
  name: string | null;
  /** The publisher that an operator verified; null when no operator did. */
  publisher: string | null;
  registration: 'operator' | 'dynamic';
  /** All scopes that its grants allow. */
  scopes: { resource?: string; name: string }[];
  granted_at: Date;
  /** When a token was last issued under its grants, among the tokens that are still stored. */
  used_at: Date | null;
};

/** @param except the clients of this server's own pages, which need no consent. @param language of the reader, for names. */
export async function listConnectedClients(
  database: Database,
  accountId: string,
  except: readonly string[],
  language: Language,
): Promise<ConnectedClient[]> {
  const rows = await database.query<Omit<ConnectedClient, 'scopes'> & { payloads: unknown[] }>(Prisma.sql`
    select c.id, coalesce(c.metadata->>${`client_name#${language}`}::text, c.metadata->>'client_name') as name, c.publisher, c.registration::text, g.payloads, g.granted_at, g.used_at
    from (
      select client_id, min(created_at) as granted_at,
        jsonb_agg(payload) as payloads,
        max((select to_timestamp(max((t.payload->>'iat')::float8)) from token t where t.grant_id = r.id)) as used_at
      from grant_record r where account_id = ${accountId} and client_id <> all(${except}) and expires_at > now() group by client_id
    ) g join client c on c.id = g.client_id
    order by g.granted_at desc, c.id`);
  return rows.map(({ payloads, ...row }) => ({ ...row, scopes: payloads.flatMap(allowedScopes) }));
}
