import { type Database, Prisma } from '../../platform/database.ts';

/**
 * Owns which logo pages show of a client, and what its owners and operators read about it. src/features/logos fetches, redraws and serves
 * the pictures.
 */

/**
 * `not_an_image`: not a valid PNG, JPEG, WebP, GIF or SVG. `unreadable`: the decoder crashed or took too long.
 * `no_library`: the image library is not installed for this platform.
 */
export type PictureProblem = 'not_an_image' | 'too_many_pixels' | 'unreadable' | 'no_library';

/** `no_answer`: no connection, a refused address, or a timeout. They have one code, so that nobody can scan our network. */
export type LogoProblem = 'no_answer' | 'refused' | 'redirected' | 'too_large' | PictureProblem;

// An operator verifies what is visible at that time, so a deceptive picture must not replace it later. While the publisher is verified,
// only the first fetch runs. @param attempts as it was before the logo was taken.
export const mayChange = (attempts: number) => Prisma.sql`(c.publisher is null or (l.attempts = ${attempts} and l.fetched_at is null))`;

/** The path of a stored logo, which src/features/logos serves. */
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
