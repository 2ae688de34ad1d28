import { type LogoProblem, mayChange } from '../../oauth/clients/logos.ts';
import { type Database, Prisma } from '../../platform/database.ts';
import { DUE } from '../../platform/outbox.ts';

/**
 * Owns the stored pictures of logos. A trigger (prisma/migrations) follows each client's `logo_uri`. It writes an empty row for a new address,
 * and deletes the row when the client names none. oauth/clients/logos.ts decides which pictures pages show.
 */

/** The channel on which the trigger announces a logo to fetch. */
export const LOGO_CHANNEL = 'client_logo';

/** A logo that a node took to fetch. */
export type DueLogo = { clientId: string; uri: string; attempts: number };

/**
 * Takes up to `room` due logos. The same statement moves their next attempt, so no other node takes them.
 * If this node dies, they are due again: after two minutes, then after twice as long each time, and after a day at most.
 */
export function takeDueLogos(database: Database, room: number): Promise<DueLogo[]> {
  return database.aside<DueLogo>(Prisma.sql`
    update client_logo set attempts = attempts + 1, due_at = now() + least(power(2, least(attempts + 1, 20)) * interval '1 minute', interval '1 day')
    where client_id = any(array(
      select l.client_id from client_logo l join client c on c.id = l.client_id
      where ${DUE} and c.suspended_at is null and ${mayChange(0)} order by due_at limit ${room} for update of l skip locked))
    returning client_id as "clientId", uri, attempts`);
}

/** Stores a picture and schedules the next fetch in a week. Changes nothing if the client has named another address since. */
export async function storeLogo(database: Database, { clientId, uri }: DueLogo, png: Uint8Array, digest: Uint8Array): Promise<void> {
  await database.aside(Prisma.sql`
    update client_logo l set image = ${png}, digest = ${digest}, problem = null, fetched_at = now(), attempts = 0, due_at = now() + interval '7 days'
    from client c where c.id = l.client_id and l.client_id = ${clientId} and l.uri = ${uri} and ${mayChange(1)}`);
}

/** Records why there is no new picture. The stored picture stays. */
export async function noteLogoProblem(database: Database, { clientId, uri }: DueLogo, problem: LogoProblem): Promise<void> {
  await database.aside(Prisma.sql`update client_logo set problem = ${problem} where client_id = ${clientId} and uri = ${uri}`);
}

/** @param digest hexadecimal. @returns the PNG, if a client that is not suspended has it. */
export async function findLogo(database: Database, digest: string): Promise<Uint8Array | undefined> {
  const [row] = await database.query<{ image: Uint8Array }>(Prisma.sql`
    select l.image from client_logo l join client c on c.id = l.client_id
    where l.digest = ${Buffer.from(digest, 'hex')} and c.suspended_at is null limit 1`);
  return row?.image;
}
