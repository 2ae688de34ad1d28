import { type Database, Prisma } from '../../../platform/database.ts';
import { DUE } from '../../../platform/outbox.ts';
import type { PictureProblem } from './picture.ts';

/**
 * Owns the stored logos of clients. A trigger (prisma/migrations) follows each client's `logo_uri`. It writes an empty row for a new address,
 * and deletes the row when the client names none. Fetching is in fetcher.ts, drawing in picture.ts.
 */

/** The channel on which the trigger announces a logo to fetch. */
export const LOGO_CHANNEL = 'client_logo';

/** `no_answer`: no connection, a refused address, or a timeout. They have one code, so that nobody can scan our network. */
export type LogoProblem = 'no_answer' | 'refused' | 'redirected' | 'too_large' | PictureProblem;

/** A logo that a node took to fetch. */
export type DueLogo = { clientId: string; uri: string; attempts: number };

// An operator verifies what is visible at that time, so a deceptive picture must not replace it later. While the publisher is verified,
// only the first fetch runs. @param attempts as it was before the logo was taken.
const mayChange = (attempts: number) => Prisma.sql`(c.publisher is null or (l.attempts = ${attempts} and l.fetched_at is null))`;

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

/** The path of a stored logo: see serving.ts. */
const pathOf = (digest: string): string => `/logos/${digest}.png`;

// With the picture of a verified client, an unverified client could pass for it.
const LIKE_VERIFIED = Prisma.sql`(c.publisher is null and exists (
  select 1 from client_logo o join client v on v.id = o.client_id where o.digest = l.digest and v.publisher is not null and v.suspended_at is null))`;

/** @returns the logo path of each client that has one to show. Pages show the first letter of the others. */
export async function logosOf(database: Database, clientIds: string[]): Promise<Map<string, string>> {
  if (!clientIds.length) return new Map();
  const rows = await database.query<{ id: string; digest: string }>(Prisma.sql`
    select l.client_id as id, encode(l.digest, 'hex') as digest from client_logo l join client c on c.id = l.client_id
    where l.client_id = any(${clientIds}) and l.digest is not null and c.suspended_at is null and not ${LIKE_VERIFIED}`);
  return new Map(rows.map(({ id, digest }) => [id, pathOf(digest)]));
}

/** The state of a logo, for owners and operators. */
export type LogoState = {
  uri: string;
  /** Path of the stored picture, even if pages do not show it. */
  path: string | undefined;
  /** Why the latest attempt stored no picture. */
  problem: LogoProblem | undefined;
  /** Time of the next fetch; undefined while the publisher is verified and no fetch is due. */
  next: Date | undefined;
  /** Whether pages show the letter because a verified client has the same picture. */
  likeVerified: boolean;
};

/** @returns undefined for a client without `logo_uri`. */
export async function findLogoState(database: Database, clientId: string): Promise<LogoState | undefined> {
  const [row] = await database.query<{ uri: string; digest: string | null; problem: LogoProblem | null; next: Date | null; like: boolean }>(
    Prisma.sql`
      select l.uri, encode(l.digest, 'hex') as digest, l.problem, case when ${mayChange(0)} then l.due_at end as next, ${LIKE_VERIFIED} as like
      from client_logo l join client c on c.id = l.client_id where l.client_id = ${clientId}`,
  );
  return (
    row && {
      uri: row.uri,
      path: row.digest === null ? undefined : pathOf(row.digest),
      problem: row.problem ?? undefined,
      next: row.next ?? undefined,
      likeVerified: row.like,
    }
  );
}
