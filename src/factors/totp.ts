import { Secret, TOTP } from 'otpauth';
import { type Clock, epochSeconds, MINUTE, systemClock } from '../platform/clock.ts';
import { type Database, Prisma, type Statement } from '../platform/database.ts';
import type { SealedColumn } from '../platform/reseal.ts';
import type { KeyRing } from '../platform/secrets.ts';
import { dropIdleRecoveryCodes, keepFactor } from './store.ts';

/**
 * Owns the authenticator app (RFC 6238): its secret, and that no code counts twice. Does not count attempts: whoever asks does so first.
 * The numbers are those that every app assumes: SHA-1, six digits, thirty seconds.
 */

const PERIOD_SECONDS = 30;
const DIGITS = 6;
// One step either way: clocks differ, and typing takes time (RFC 6238 section 5.2).
const WINDOW = 1;
// 160 bits, as RFC 4226 section 4 recommends.
const SECRET_BYTES = 20;
const ENROLMENT_SECONDS = 15 * MINUTE;

export type TotpVerdict = { ok: true } | { ok: false; reason: 'wrong' | 'reused' | 'absent' | 'expired' | 'taken' };

export type TotpEnrolment = {
  /** What the QR code says: `otpauth://totp/…`. */
  uri: string;
  /** The secret in base32, for typing. */
  secret: string;
  /** The secret again, for the form to bring back: nothing is stored before a first code has proven that the app has it. */
  sealed: string;
};

type Enrolling = {
  keyRing: KeyRing;
  accountId: string;
  /** The session that enrols: another one's form does not open. */
  sessionUid: string;
};

export function beginTotp(
  { keyRing, accountId, sessionUid }: Enrolling,
  { issuer, label }: { issuer: string; label: string },
  clock: Clock = systemClock,
): TotpEnrolment {
  const secret = new Secret({ size: SECRET_BYTES }).base32;
  const until = epochSeconds(clock.now()) + ENROLMENT_SECONDS;
  return {
    uri: totpOf(secret, issuer, label).toString(),
    secret,
    sealed: keyRing.encrypt(JSON.stringify({ secret, until }), enrolment(accountId, sessionUid)),
  };
}

/** The same again, for a page that is shown anew. @returns undefined when the seal is not ours or too old. */
export function resumeTotp(
  enrolling: Enrolling,
  sealed: string,
  { issuer, label }: { issuer: string; label: string },
  clock: Clock = systemClock,
): TotpEnrolment | undefined {
  const secret = unseal(enrolling, sealed, clock);
  return secret === undefined ? undefined : { uri: totpOf(secret, issuer, label).toString(), secret, sealed };
}

/** Keeps the app, with the first code as its proof. That code is used by it. @param along written in the same transaction, or not at all. */
export async function confirmTotp(
  database: Database,
  enrolling: Enrolling,
  { sealed, code, along = [] }: { sealed: string; code: string; along?: Statement[] },
  clock: Clock = systemClock,
): Promise<TotpVerdict> {
  const secret = unseal(enrolling, sealed, clock);
  if (secret === undefined) return { ok: false, reason: 'expired' };
  const step = stepOf(secret, code, clock);
  if (step === undefined) return { ok: false, reason: 'wrong' };
  const { keyRing, accountId } = enrolling;
  const kept = await keepFactor(
    database,
    Prisma.sql`
    insert into totp_factor (account_id, secret, confirmed_at, last_step)
    values (${accountId}, ${keyRing.encrypt(secret, atRest(accountId))}, now(), ${step})
    on conflict (account_id) do nothing`,
    along,
  );
  return kept ? { ok: true } : { ok: false, reason: 'taken' };
}

/**
 * Whether a code is right and none of its step, or of a later one, was used before (RFC 6238 section 5.2): the statement that keeps
 * the step is the question, so of any number of requests with one code a single one hears yes.
 */
export async function verifyTotp(
  database: Database,
  { keyRing, accountId, code }: { keyRing: KeyRing; accountId: string; code: string },
  clock: Clock = systemClock,
): Promise<TotpVerdict> {
  const [factor] = await database.query<{ secret: string }>(Prisma.sql`
    select secret from totp_factor where account_id = ${accountId} and confirmed_at is not null`);
  if (!factor) return { ok: false, reason: 'absent' };
  const step = stepOf(keyRing.decrypt(factor.secret, atRest(accountId)), code, clock);
  if (step === undefined) return { ok: false, reason: 'wrong' };
  const used = await database.change(Prisma.sql`
    update totp_factor set last_step = ${step} where account_id = ${accountId} and confirmed_at is not null and last_step < ${step} returning 1`);
  return used.length ? { ok: true } : { ok: false, reason: 'reused' };
}

/** Takes the app away, to be run as one transaction with the event that tells of it. */
export function removeTotp(accountId: string): Statement[] {
  return [Prisma.sql`delete from totp_factor where account_id = ${accountId}`, dropIdleRecoveryCodes(accountId)];
}

/**
 * No code up to this moment counts, of any app: after the restore of a backup, which codes were used is not known. The window is part of it,
 * so users wait for a code for a minute at most.
 */
export function useCodesUntilNow(): Statement {
  return Prisma.sql`
    update totp_factor set last_step = greatest(last_step, floor(extract(epoch from now()) / ${PERIOD_SECONDS})::bigint + ${WINDOW})`;
}

/** The step that a code belongs to, if it is right within the window. */
function stepOf(secret: string, code: string, clock: Clock): number | undefined {
  const token = code.replace(/\s/g, '');
  if (!/^\d{6}$/.test(token)) return undefined;
  const timestamp = clock.now().getTime();
  const delta = totpOf(secret).validate({ token, window: WINDOW, timestamp });
  return delta === null ? undefined : TOTP.counter({ period: PERIOD_SECONDS, timestamp }) + delta;
}

function totpOf(secret: string, issuer = '', label = ''): TOTP {
  return new TOTP({ issuer, label, secret: Secret.fromBase32(secret), algorithm: 'SHA1', digits: DIGITS, period: PERIOD_SECONDS });
}

function unseal({ keyRing, accountId, sessionUid }: Enrolling, sealed: string, clock: Clock): string | undefined {
  try {
    const { secret, until } = JSON.parse(keyRing.decrypt(sealed, enrolment(accountId, sessionUid))) as { secret: string; until: number };
    return until > epochSeconds(clock.now()) ? secret : undefined;
  } catch {
    // Not ours, another session's, or of a key that is gone: the person begins again.
    return undefined;
  }
}

const atRest = (accountId: string) => `totp ${accountId}`;
const enrolment = (accountId: string, sessionUid: string) => `totp enrolment ${accountId} ${sessionUid}`;

/** For a change of keys. */
export const SEALED_SECRETS: SealedColumn = { table: 'totp_factor', id: 'account_id', column: 'secret', context: atRest };
