import { randomInt } from 'node:crypto';
import { type Database, Prisma, type Statement } from '../platform/database.ts';
import type { OneTimeTokenPurpose } from '../platform/prisma/client.ts';
import { derivedSecret, digest, digestInHex, type KeyRing, keyedDigest, randomSecret } from '../platform/secrets.ts';

/**
 * Owns the proofs that are sent by mail. A proof is given by the link's secret, or by the short code in the browser that requested it.
 * Either shows that the user reads the mail. The caller decides what a proof confirms and who receives the mail.
 */

/** How long a proof is valid. */
export const PROOF_MINUTES = 15;

const MAX_ATTEMPTS = 5;
// Eight digits: an address gets few codes (LIMITS.lettersToAddress), and each allows five tries, so guessing has no realistic chance.
const CODE_DIGITS = 8;

export type Purpose = OneTimeTokenPurpose;

export type Wish = {
  purpose: Purpose;
  email: string;
  accountId?: string | undefined;
  /** What takes effect with the proof. */
  payload?: Record<string, unknown>;
  /** False for a proof that is not mailed: the requester sees no difference, and no code matches. */
  told: boolean;
};

export type Proof = {
  /** Names the proof and proves nothing, so a browser may store it while it waits for the proof. */
  handle: string;
  purpose: Purpose;
  email: string;
  accountId: string | null;
  payload: Record<string, unknown>;
  proven: boolean;
};

/** @returns what the mail contains (`secret` of the link, `code`), and the insert of the proof, to run with that of the mail. */
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

/** The handle of the proof with this link secret. */
export const handleOf = (secret: string): string => digestInHex(secret);

/** @returns a proof that has not expired, given or not. */
export async function findProof(database: Database, purpose: Purpose, handle: string): Promise<Proof | undefined> {
  const [row] = await database.query<Omit<Proof, 'handle'>>(
    Prisma.sql`select ${COLUMNS} from one_time_token where ${isLive(purpose, handle)}`,
  );
  return row && { ...row, handle };
}

/** Proves by the link, once. @returns the proof; undefined when it was given already, has expired, or never existed. */
export async function proveByLink(database: Database, purpose: Purpose, secret: string): Promise<Proof | undefined> {
  const handle = handleOf(secret);
  const [row] = await database.change<Omit<Proof, 'handle'>>(Prisma.sql`
    update one_time_token set consumed_at = now() where ${isLive(purpose, handle)} and consumed_at is null returning ${COLUMNS}`);
  return row && { ...row, handle };
}

/**
 * Proves by the code. One statement counts and compares a try. So of any number of parallel tries at most five are compared, and one
 * succeeds.
 * @returns `wrong` with the number of tries left; `gone` when none is left, or the proof was given already, has expired, or never existed.
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

/** Deletes a proof, given or not, when another replaces it. */
export function endProof(handle: string): Statement {
  return Prisma.sql`delete from one_time_token where id = ${Buffer.from(handle, 'hex')}`;
}

/** Deletes all proofs of an account, for example after a change of password. */
export function endProofsOf(accountId: string): Statement {
  return Prisma.sql`delete from one_time_token where account_id = ${accountId}`;
}

/** Redeems a proof once, by a code that was given or by the link's secret. The caller must check that it changes a row. */
export function redeemProof({ purpose, handle }: Pick<Proof, 'purpose' | 'handle'>, by: 'code' | 'link'): Statement {
  const given = by === 'code' ? Prisma.sql`and consumed_at is not null` : Prisma.empty;
  return Prisma.sql`delete from one_time_token where ${isLive(purpose, handle)} ${given}`;
}

const COLUMNS = Prisma.sql`purpose::text as purpose, email, account_id as "accountId", payload, consumed_at is not null as proven`;

/** Condition of every statement about a proof: the purpose must match, and the database's clock decides on expiry. */
export const isLive = (purpose: Purpose, handle: string) =>
  Prisma.sql`id = ${Buffer.from(handle, 'hex')} and purpose = ${purpose}::one_time_token_purpose and expires_at > now()`;

// Bound to its proof, so that a code reveals nothing about another.
function codeDigest(master: Uint8Array, handle: string, code: string): Uint8Array {
  return Buffer.from(keyedDigest(derivedSecret(master, 'one-time codes'), `${handle} ${code}`), 'base64url');
}
