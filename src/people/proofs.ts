import { randomInt } from 'node:crypto';
import { type Database, Prisma, type Statement } from '../platform/database.ts';
import type { OneTimeTokenPurpose } from '../platform/prisma/client.ts';
import { derivedSecret, digest, digestInHex, type KeyRing, keyedDigest, randomSecret } from '../platform/secrets.ts';

/**
 * Owns the proofs that are sent by mail: whoever names the link's secret, or the short code to the browser that asked, reads that mail.
 * Does not decide what becomes true with one, nor who is written to.
 */

/** How long a proof can be given. */
export const PROOF_MINUTES = 15;

const MAX_ATTEMPTS = 5;
// Eight digits: five tries at each of the few codes that an address is sent (LIMITS.lettersToAddress) come to nothing.
const CODE_DIGITS = 8;

export type Purpose = OneTimeTokenPurpose;

export type Wish = {
  purpose: Purpose;
  email: string;
  accountId?: string | undefined;
  /** What becomes true with the proof. */
  payload?: Record<string, unknown>;
  /** False for one that nobody is told: it looks like any other to whoever asked, and no code fits. */
  told: boolean;
};

export type Proof = {
  /** Names the proof and proves nothing: it may be kept beside what waits for it. */
  handle: string;
  purpose: Purpose;
  email: string;
  accountId: string | null;
  payload: Record<string, unknown>;
  proven: boolean;
};

/** @returns what is mailed (`secret` of the link, `code`) and the writing of the proof, to be run along with that of the mail. */
export function newProof(keyRing: KeyRing, { purpose, email, accountId, payload = {}, told }: Wish) {
  const secret = randomSecret();
  const code = String(randomInt(10 ** CODE_DIGITS)).padStart(CODE_DIGITS, '0');
  const handle = digestInHex(secret);
  const kept = told ? codeDigest(keyRing.masters[0] as Uint8Array, handle, code) : digest(randomSecret());
  const statement = Prisma.sql`
    insert into one_time_token (id, purpose, account_id, email, code, expires_at, payload)
    values (${digest(secret)}, ${purpose}::one_time_token_purpose, ${accountId ?? null}, ${email}, ${kept},
      now() + ${PROOF_MINUTES} * interval '1 minute', ${JSON.stringify(payload)}::jsonb)`;
  return { handle, secret, code, statement };
}

/** The handle of the proof that a link's secret belongs to. */
export const handleOf = (secret: string): string => digestInHex(secret);

/** A proof that has not expired, whether or not it was given. */
export async function findProof(database: Database, purpose: Purpose, handle: string): Promise<Proof | undefined> {
  const [row] = await database.query<Omit<Proof, 'handle'>>(
    Prisma.sql`select ${COLUMNS} from one_time_token where ${isLive(purpose, handle)}`,
  );
  return row && { ...row, handle };
}

/**
 * Proves by the link. @returns the proof to the one who proved it; undefined when it was given already, has expired, or never was.
 */
export async function proveByLink(database: Database, purpose: Purpose, secret: string): Promise<Proof | undefined> {
  const handle = handleOf(secret);
  const [row] = await database.change<Omit<Proof, 'handle'>>(Prisma.sql`
    update one_time_token set consumed_at = now() where ${isLive(purpose, handle)} and consumed_at is null returning ${COLUMNS}`);
  return row && { ...row, handle };
}

/**
 * Proves by the code. A try is counted and compared in one statement, so of any number at once no more than five are looked at, and one
 * alone succeeds.
 * @returns `wrong` with the tries that are left; `gone` when there are none, or it was given already, has expired, or never was.
 */
export async function proveByCode(
  database: Database,
  keyRing: KeyRing,
  purpose: Purpose,
  handle: string,
  code: string,
): Promise<{ proof: Proof } | { wrong: number } | 'gone'> {
  const typed = code.normalize('NFKC').replace(/[\s\p{Pd}]/gu, '');
  const fitting = keyRing.masters.map((master) => codeDigest(master, handle, typed));
  const [row] = await database.change<Omit<Proof, 'handle'> & { attempts: number }>(Prisma.sql`
    update one_time_token set
      attempts = attempts + 1,
      consumed_at = case when code in (${Prisma.join(fitting)}) then now() end
    where ${isLive(purpose, handle)} and consumed_at is null and attempts < ${MAX_ATTEMPTS}
    returning ${COLUMNS}, attempts`);
  if (!row) return 'gone';
  const { attempts, ...proof } = row;
  return proof.proven ? { proof: { ...proof, handle } } : { wrong: MAX_ATTEMPTS - attempts };
}

/** Takes a proof out of the world, given or not: another takes its place. */
export function endProof(handle: string): Statement {
  return Prisma.sql`delete from one_time_token where id = ${Buffer.from(handle, 'hex')}`;
}

/** Takes all proofs of an account out of the world, such as when its password has changed. */
export function endProofsOf(accountId: string): Statement {
  return Prisma.sql`delete from one_time_token where account_id = ${accountId}`;
}

/** Redeems a proof, by the code that was given or by whoever names the link's secret. It must change a row, and then has done so once. */
export function redeemProof({ purpose, handle }: Pick<Proof, 'purpose' | 'handle'>, by: 'code' | 'link'): Statement {
  const given = by === 'code' ? Prisma.sql`and consumed_at is not null` : Prisma.empty;
  return Prisma.sql`delete from one_time_token where ${isLive(purpose, handle)} ${given}`;
}

const COLUMNS = Prisma.sql`purpose::text as purpose, email, account_id as "accountId", payload, consumed_at is not null as proven`;

/** What every statement about a proof asks: one purpose never serves as another, and the database's clock decides. */
export const isLive = (purpose: Purpose, handle: string) =>
  Prisma.sql`id = ${Buffer.from(handle, 'hex')} and purpose = ${purpose}::one_time_token_purpose and expires_at > now()`;

// Bound to its proof, so that a code says nothing about any other.
function codeDigest(master: Uint8Array, handle: string, code: string): Uint8Array {
  return Buffer.from(keyedDigest(derivedSecret(master, 'one-time codes'), `${handle} ${code}`), 'base64url');
}
