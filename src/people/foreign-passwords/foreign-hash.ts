/** Owns the shape of a password hash that another server made, and what the kinds of hashes share. */

export type ForeignHash = {
  /** What a report calls it: `bcrypt`. */
  kind: string;
  /**
   * The beginning of the stored text up to the salt. Hashes with the same beginning cost the same work.
   */
  beginning: string;
  /** Why this server does not verify it: its cost is above what a sign-in may cost. */
  problem?: string;
  /** Whether it is the hash of a password. The work runs on libuv's threads, so that the event loop goes on. */
  verify(password: string): Promise<boolean>;
};

/** Reads one kind of hash. @returns undefined for any other text. */
export type ReadHash = (text: string) => ForeignHash | undefined;

/** A shorter one could be found by trying, and an empty one would fit every password. */
const FEWEST_BYTES = 16;
const MOST_BYTES = 128;

/** @returns whether a decoded hash has a length that a real one has. */
export const isPlausible = (hash: Buffer): boolean => hash.length >= FEWEST_BYTES && hash.length <= MOST_BYTES;

/** @returns the bytes of base64 in any of its alphabets, with or without padding; undefined for other text. `.` stands for `+` in passlib. */
export function fromBase64(text: string): Buffer | undefined {
  return /^[A-Za-z0-9+/._-]+={0,2}$/.test(text) ? Buffer.from(text.replaceAll('.', '+'), 'base64') : undefined;
}

export function fromHex(text: string): Buffer | undefined {
  return /^([0-9a-f]{2})+$/i.test(text) ? Buffer.from(text, 'hex') : undefined;
}

export const tooCostly = (what: string, most: string): string =>
  `its cost is too high for a sign-in: ${what}, and at most ${most} is verified here`;
