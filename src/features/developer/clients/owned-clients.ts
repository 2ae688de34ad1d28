import { type ClientRecord, findClientRecord } from '../../../oauth/clients/inspection.ts';
import { type Database, isStorable, Prisma, type Statement } from '../../../platform/database.ts';

/** Owns which clients a user owns, how many that may be, and that only an owner changes them. */

export type OwnedClient = {
  id: string;
  /** RFC 7591 metadata as stored. */
  metadata: Record<string, unknown>;
  created_at: Date;
  suspended_at: Date | null;
  publisher: string | null;
  /** It has scopes of the admin API, so only operators may change it. */
  administers: boolean;
  /** When the first of its secrets ends; null when none ends. */
  secret_ends_at: Date | null;
};

/** The most clients that one user may own. */
export const MAX_OWNED_CLIENTS = 50;

/** The clients of an owner, newest first. */
export function listOwnedClients(database: Database, accountId: string): Promise<OwnedClient[]> {
  return database.query<OwnedClient>(Prisma.sql`
    select c.id, c.metadata, c.created_at, c.suspended_at, c.publisher, cardinality(c.admin_scopes) > 0 as administers,
      (select min(s.expires_at) from client_secret s where s.client_id = c.id and s.expires_at > now()) as secret_ends_at
    from client_owner o join client c on c.id = o.client_id where o.account_id = ${accountId}
    order by o.created_at desc, c.id`);
}

/**
 * Nobody may change a client with admin API scopes here: a new secret or redirect URI would give its owner an operator's power.
 * @returns undefined for such a client, an unknown client, and another owner's client. The caller cannot tell them apart.
 */
export async function findOwnedClient(database: Database, accountId: string, clientId: string): Promise<ClientRecord | undefined> {
  if (!isStorable(clientId)) return undefined;
  const [own] = await database.query(Prisma.sql`
    select 1 from client_owner o join client c on c.id = o.client_id
    where o.client_id = ${clientId} and o.account_id = ${accountId} and c.admin_scopes = '{}'`);
  return own ? findClientRecord(database, clientId) : undefined;
}

/** Stops two requests of one user from counting the same clients. Runs first, in the same transaction as addOwnerOfNew(). */
export function lockOwner(accountId: string): Statement {
  return Prisma.sql`select 1 from user_account where id = ${accountId} for no key update`;
}

/** Adds the owner of a new client, if the user owns fewer than MAX_OWNED_CLIENTS. */
export function addOwnerOfNew(clientId: string, accountId: string): Statement {
  return Prisma.sql`
    insert into client_owner (client_id, account_id) select ${clientId}, ${accountId}
    where (select count(*) from client_owner where account_id = ${accountId}) < ${MAX_OWNED_CLIENTS}`;
}

/**
 * Locks a client whose metadata the owner is about to replace, in the same transaction. Changes no row if the metadata differs from what
 * the
 * owner saw, or if the account is no longer an owner.
 */
export function replaceOwned({ id, metadata }: Pick<ClientRecord, 'id' | 'metadata'>, accountId: string): Statement {
  return Prisma.sql`
    update client c set updated_at = now() from client_owner o
    where c.id = ${id} and o.client_id = c.id and o.account_id = ${accountId} and c.metadata = ${JSON.stringify(metadata)}::jsonb`;
}
