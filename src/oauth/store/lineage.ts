import { randomBytes } from 'node:crypto';
import { place, recall } from './unit-of-work.ts';

/**
 * Owns what a code or device code hands down to the tokens that come of it. The library's models have no room for members of ours, so the
 * stores write the lineage into `payload` and take it out again. Does not own the end of a family: see grants.ts.
 */

export type Lineage = {
  /** A random name of one sign-in: all that comes of one code has it. It opens nothing. */
  family: string;
  /** The scopes as the client asked for them, where that differs from what was granted: it may repeat them at each refresh. */
  asked?: string;
};

/** The code or refresh token that this token request redeems. */
export type Source = {
  kind: 'AuthorizationCode' | 'DeviceCode' | 'RefreshToken';
  /** The credential itself. */
  id: string;
  grantId: string | undefined;
  /** Absent on rows that were written before there were families. */
  lineage: Lineage | undefined;
  /** See familyOf(). */
  family: string;
  /** Seconds since its first use, by the clock of the database; undefined when it was not used before. */
  usedSecondsAgo: number | undefined;
  /** Thumbprint of the DPoP key that a code was asked for with (RFC 9449 section 10). */
  dpopJkt: string | undefined;
};

const FAMILY_BYTES = 12;
const SOURCE = 'Source';

const ASKED = 'Asked scopes';

/** The lineage of a code that is stored now: each code begins a family. */
export async function newLineage(): Promise<Lineage> {
  const asked = await recall<string>(ASKED);
  return { family: randomBytes(FAMILY_BYTES).toString('base64url'), ...(asked ? { asked } : undefined) };
}

/** Says what the client asked for, before a code is stored. */
export function placeAsked(scope: string): void {
  place(ASKED, scope);
}

/** The lineage that a stored payload has. */
export const lineageIn = (payload: Record<string, unknown>): Lineage | undefined => payload['lineage'] as Lineage | undefined;

/**
 * The family of a stored row. A row from before there were families belongs to that of its session.
 * The SQL functions `end_family` and this say the same.
 */
export function familyOf(payload: Record<string, unknown>): string {
  return lineageIn(payload)?.family ?? (payload['sessionUid'] as string | undefined) ?? '';
}

/** Remembers what this request redeems, so that the tokens that it stores get the same lineage. */
export function placeSource(source: Source): void {
  place(SOURCE, source);
}

/** What this request redeems; undefined when it redeems nothing that is known. */
export async function recallSource(): Promise<Source | undefined> {
  return recall<Source>(SOURCE);
}
