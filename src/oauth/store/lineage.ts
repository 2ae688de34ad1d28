import { randomBytes } from 'node:crypto';
import { place, recall } from './unit-of-work.ts';

/**
 * Owns what a code or device code passes on to its tokens. The library's models have no members for it, so the stores write the lineage
 * into `payload` and remove it again. Does not own the end of a family: see grants.ts.
 */

export type Lineage = {
  /** A random name of one sign-in, shared by all tokens of one code. It gives no access. */
  family: string;
  /** The scopes as the client asked for them, if they differ from the granted ones: the client may repeat them at each refresh. */
  asked?: string;
};

/** The code or refresh token that this token request redeems. */
export type Source = {
  kind: 'AuthorizationCode' | 'DeviceCode' | 'RefreshToken';
  /** The credential itself. */
  id: string;
  grantId: string | undefined;
  /** Absent on rows that were written before families existed. */
  lineage: Lineage | undefined;
  /** See familyOf(). */
  family: string;
  /** Seconds since its first use by the database's clock; undefined when it is unused. */
  usedSecondsAgo: number | undefined;
  /** Thumbprint of the DPoP key that a code is bound to (RFC 9449 section 10). */
  dpopJkt: string | undefined;
};

const FAMILY_BYTES = 12;
const SOURCE = 'Source';

const ASKED = 'Asked scopes';

/** @returns the lineage of a code that is stored now: each code begins a family. */
export async function newLineage(): Promise<Lineage> {
  const asked = await recall<string>(ASKED);
  return { family: randomBytes(FAMILY_BYTES).toString('base64url'), ...(asked ? { asked } : undefined) };
}

/** Remembers what the client asked for, before a code is stored. */
export function placeAsked(scope: string): void {
  place(ASKED, scope);
}

/** @returns the lineage in a stored payload. */
export const lineageIn = (payload: Record<string, unknown>): Lineage | undefined => payload['lineage'] as Lineage | undefined;

/**
 * @returns the family of a stored row. A row from before families belongs to the family of its session.
 * The SQL function `end_family` uses the same rule.
 */
export function familyOf(payload: Record<string, unknown>): string {
  return lineageIn(payload)?.family ?? (payload['sessionUid'] as string | undefined) ?? '';
}

/** Remembers what this request redeems, so that the tokens it stores get the same lineage. */
export function placeSource(source: Source): void {
  place(SOURCE, source);
}

/** @returns what this request redeems; undefined when it redeems nothing known. */
export async function recallSource(): Promise<Source | undefined> {
  return recall<Source>(SOURCE);
}
