import { type Database, isStorable, Prisma, type Statement } from '../platform/database.ts';
import { type ClientRecord, findClientRecord } from './inspection.ts';

/** Owns who looks after which client in the developer portal. What they may do with it is the portal's (src/developer). */

export type OwnedClient = { id: string; name: string | null; created_at: Date; suspended_at: Date | null; publisher: string | null };

/** The clients that a person looks after, the newest first. */
export function listOwnedClients(database: Database, accountId: string): Promise<OwnedClient[]> {
  return database.query<OwnedClient>(Prisma.sql`
    select c.id, c.metadata->>'client_name' as name, c.created_at, c.suspended_at, c.publisher
    from client_owner o join client c on c.id = o.client_id where o.account_id = ${accountId}
    order by o.created_at desc, c.id`);
}

/** @returns undefined for one that is unknown, or that somebody else looks after: who asks learns nothing of the difference. */
export async function findOwnedClient(database: Database, accountId: string, clientId: string): Promise<ClientRecord | undefined> {
  if (!isStorable(clientId)) return undefined;
  const [own] = await database.query(Prisma.sql`select 1 from client_owner where client_id = ${clientId} and account_id = ${accountId}`);
  return own ? findClientRecord(database, clientId) : undefined;
}

/** The writing of an owner, along with the client or later. */
export function addOwner(clientId: string, accountId: string): Statement {
  return Prisma.sql`insert into client_owner (client_id, account_id) values (${clientId}, ${accountId}) on conflict do nothing`;
}
