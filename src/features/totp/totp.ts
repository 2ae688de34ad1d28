import { Secret, TOTP } from 'otpauth';
import { dropIdleRecoveryCodes, keepFactor } from '../../people/factors.ts';
import { type Clock, epochSeconds, MINUTE, systemClock } from '../../platform/clock.ts';
import { type Database, Prisma, type Statement } from '../../platform/database.ts';
import type { SealedColumn } from '../../platform/sealed-column.ts';
import type { KeyRing } from '../../platform/secrets.ts';

/**
 * Owns the authenticator app (RFC 6238): its secret, and the rule that a code counts once. Does not count tries: the caller does so first.
 * The parameters are those that all apps assume: SHA-1, six digits, thirty seconds.
 */

const PERIOD_SECONDS = 30;
const DIGITS = 6;
// One step in each direction, because clocks differ and typing takes time (RFC 6238 section 5.2).
const WINDOW = 1;
// 160 bits, as RFC 4226 section 4 recommends.
const SECRET_BYTES = 20;
const ENROLMENT_SECONDS = 15 * MINUTE;

export type TotpVerdict = { ok: true } | { ok: false; reason: 'wrong' | 'reused' | 'absent' | 'expired' | 'taken' };

export type TotpEnrolment = {
  /** The content of the QR code: `otpauth://totp/…`. */
  uri: string;
  /** The secret in base32, to type in. */
  secret: string;
  /** The secret, sealed, for the form to send back. Nothing is stored before a first code proves that the app has it. */
  sealed: string;
};

type Enrolling = {
  keyRing: KeyRing;
  accountId: string;
  /** The session of the setup; a form of another session is refused. */
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

/** @returns the same setup, to show the page again; undefined when the seal is invalid or expired. */
export function resumeTotp(
  enrolling: Enrolling,
  sealed: string,
  { issuer, label }: { issuer: string; label: string },
  clock: Clock = systemClock,
): TotpEnrolment | undefined {
  const secret = unseal(enrolling, sealed, clock);
  return secret === undefined ? undefined : { uri: totpOf(secret, issuer, label).toString(), secret, sealed };
}

/** Stores the app. The first code is the proof and is used up by it. @param along statements written in the same transaction. */
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
 * Verifies a code and that no code of its step or a later one was used before (RFC 6238 section 5.2). The statement that stores the step is
 * also the check, so only one of several parallel requests succeeds.
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

/** @returns the statements that remove the app, to run in one transaction with the audit event. */
export function removeTotp(accountId: string): Statement[] {
  return [Prisma.sql`delete from totp_factor where account_id = ${accountId}`, dropIdleRecoveryCodes(accountId)];
}

/**
 * Makes every code up to now invalid, for all apps. After a backup is restored, the server does not know which codes were used. The window
 * is included, so users wait at most a minute for a valid code.
 */
export function useCodesUntilNow(): Statement {
  return Prisma.sql`
    update totp_factor set last_step = greatest(last_step, floor(extract(epoch from now()) / ${PERIOD_SECONDS})::bigint + ${WINDOW})`;
}

/** @returns the step of a code that is valid within the window. */
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
    // The seal is invalid, belongs to another session, or its key was removed: the user must start again.
    return undefined;
  }
}

const atRest = (accountId: string) => `totp ${accountId}`;
const enrolment = (accountId: string, sessionUid: string) => `totp enrolment ${accountId} ${sessionUid}`;

/** For key rotation. */
export const SEALED_SECRETS: SealedColumn = { table: 'totp_factor', id: 'account_id', column: 'secret', context: atRest };
