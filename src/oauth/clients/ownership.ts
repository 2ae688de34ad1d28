import { type Database, isStorable, Prisma, type Statement } from '../../platform/database.ts';
import { type ClientRecord, findClientRecord } from './inspection.ts';

/** Owns who looks after which client in the developer portal. What they may do with it is the portal's (src/developer). */

export type OwnedClient = {
  id: string;
  /** RFC 7591, as it is stored. */
  metadata: Record<string, unknown>;
  created_at: Date;
  suspended_at: Date | null;
  publisher: string | null;
  /** It may do something at the admin API, so operators alone change it. */
  administers: boolean;
  /** When the first of its secrets ends; null when none does. */
  secret_ends_at: Date | null;
};

/** No person makes more than this many. */
export const MAX_OWNED_CLIENTS = 50;

/** The clients that a person looks after, the newest first. */
export function listOwnedClients(database: Database, accountId: string): Promise<OwnedClient[]> {
  return database.query<OwnedClient>(Prisma.sql`
    select c.id, c.metadata, c.created_at, c.suspended_at, c.publisher, cardinality(c.admin_scopes) > 0 as administers,
      (select min(s.expires_at) from client_secret s where s.client_id = c.id and s.expires_at > now()) as secret_ends_at
    from client_owner o join client c on c.id = o.client_id where o.account_id = ${accountId}
    order by o.created_at desc, c.id`);
}

/**
 * A client with scopes of the admin API is nobody's to change here: whoever makes a secret for it, or has its answers sent elsewhere, could do what
 * operators do.
 * @returns undefined for such a one, for one that is unknown, and for one that somebody else looks after: who asks learns nothing of the difference.
 */
export async function findOwnedClient(database: Database, accountId: string, clientId: string): Promise<ClientRecord | undefined> {
  if (!isStorable(clientId)) return undefined;
  const [own] = await database.query(Prisma.sql`
    select 1 from client_owner o join client c on c.id = o.client_id
    where o.client_id = ${clientId} and o.account_id = ${accountId} and c.admin_scopes = '{}'`);
  return own ? findClientRecord(database, clientId) : undefined;
}

/** The writing of an owner, along with the client or later. */
export function addOwner(clientId: string, accountId: string): Statement {
  return Prisma.sql`insert into client_owner (client_id, account_id) values (${clientId}, ${accountId}) on conflict do nothing`;
}

/** Keeps two requests of one person from counting the same clients. To be run first, in the same transaction as addOwnerOfNew(). */
export function lockOwner(accountId: string): Statement {
  return Prisma.sql`select 1 from user_account where id = ${accountId} for no key update`;
}

/** The same for a client that its owner makes, where they have not made all that they may. */
export function addOwnerOfNew(clientId: string, accountId: string): Statement {
  return Prisma.sql`
    insert into client_owner (client_id, account_id) select ${clientId}, ${accountId}
    where (select count(*) from client_owner where account_id = ${accountId}) < ${MAX_OWNED_CLIENTS}`;
}
