import { type Database, Prisma, type Statement } from '../platform/database.ts';
import { foundNothing, mustAffect } from '../platform/sql-errors.ts';

/**
 * Owns the list of a user's factors besides the password: passkeys, an authenticator app, recovery codes. Each is verified in a file of its
 * own. oauth/session/strength.ts decides when one is required.
 */

export type KeptPasskey = { id: string; name: string; backedUp: boolean; transports: string[]; createdAt: Date; usedAt: Date | null };

export type Factors = {
  passkeys: KeptPasskey[];
  /** When the authenticator app was added. */
  totpSince: Date | undefined;
  /** How many recovery codes are left; undefined when the user has no set. */
  recoveryCodesLeft: number | undefined;
};

export async function factorsOf({ prisma }: Database, accountId: string): Promise<Factors> {
  const [passkeys, totp, codes] = await Promise.all([
    prisma.passkey.findMany({
      where: { accountId },
      select: { id: true, name: true, backedUp: true, transports: true, createdAt: true, usedAt: true },
      orderBy: { createdAt: 'asc' },
    }),
    prisma.totpFactor.findUnique({ where: { accountId }, select: { confirmedAt: true } }),
    prisma.recoveryCode.findMany({ where: { accountId }, select: { usedAt: true } }),
  ]);
  return {
    passkeys,
    totpSince: totp?.confirmedAt ?? undefined,
    recoveryCodesLeft: codes.length ? codes.filter(({ usedAt }) => !usedAt).length : undefined,
  };
}

/** Whether the account has a second factor. Recovery codes do not count: they only replace a factor. */
export async function hasFactor(database: Database, accountId: string): Promise<boolean> {
  const [row] = await database.query<{ has: boolean }>(Prisma.sql`
    select exists (select from passkey where account_id = ${accountId})
      or exists (select from totp_factor where account_id = ${accountId} and confirmed_at is not null) as has`);
  return row?.has ?? false;
}

/**
 * Writes a new factor, and the statements that report it, in one transaction.
 * @param insert writes one row, or none if the factor exists.
 * @returns whether it wrote.
 */
export async function keepFactor(database: Database, insert: Statement, along: Statement[]): Promise<boolean> {
  try {
    await database.transaction([mustAffect(insert), ...along]);
    return true;
  } catch (error) {
    if (foundNothing(error)) return false;
    throw error;
  }
}

/**
 * Deletes recovery codes together with the last factor that they could replace. Run it after the statement that deletes a factor, in the
 * same transaction.
 */
export function dropIdleRecoveryCodes(accountId: string): Statement {
  return Prisma.sql`
    delete from recovery_code where account_id = ${accountId}
      and not exists (select from passkey where account_id = ${accountId}) and not exists (select from totp_factor where account_id = ${accountId})`;
}

/** Deletes all factors and recovery codes of a user who lost them, when an operator decides so. */
export function removeFactors(accountId: string): Statement {
  return Prisma.sql`
    with passkeys as (delete from passkey where account_id = ${accountId}), codes as (delete from recovery_code where account_id = ${accountId})
    delete from totp_factor where account_id = ${accountId}`;
}
