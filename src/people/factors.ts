import { type Database, Prisma, type Statement } from '../platform/database.ts';
import { foundNothing, mustAffect } from '../platform/sql-errors.ts';

/**
 * Owns what a person has beside a password: passkeys, an authenticator app, recovery codes. Each proves itself in a file of its own.
 * Does not decide when one is asked for: see oauth/session/strength.ts.
 */

export type KeptPasskey = { id: string; name: string; backedUp: boolean; transports: string[]; createdAt: Date; usedAt: Date | null };

export type Factors = {
  passkeys: KeptPasskey[];
  /** Since when there is an authenticator app. */
  totpSince: Date | undefined;
  /** How many recovery codes are left; undefined when none were made. */
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

/** Whether the account has a factor that a password alone does not do without. Recovery codes are none: they stand in for one. */
export async function hasFactor(database: Database, accountId: string): Promise<boolean> {
  const [row] = await database.query<{ has: boolean }>(Prisma.sql`
    select exists (select from passkey where account_id = ${accountId})
      or exists (select from totp_factor where account_id = ${accountId} and confirmed_at is not null) as has`);
  return row?.has ?? false;
}

/** Writes a new factor, and what tells of it, in one transaction. @param insert writes one row, or none for a factor that is there already. @returns whether it wrote. */
export async function keepFactor(database: Database, insert: Statement, along: Statement[]): Promise<boolean> {
  try {
    await database.transaction([mustAffect(insert), ...along]);
    return true;
  } catch (error) {
    if (foundNothing(error)) return false;
    throw error;
  }
}

/** Recovery codes go with the last factor that they stood in for. To be run after what takes a factor away, in the same transaction. */
export function dropIdleRecoveryCodes(accountId: string): Statement {
  return Prisma.sql`
    delete from recovery_code where account_id = ${accountId}
      and not exists (select from passkey where account_id = ${accountId}) and not exists (select from totp_factor where account_id = ${accountId})`;
}

/** Takes all of them away, recovery codes too: for a person who has lost them, on an operator's word. */
export function removeFactors(accountId: string): Statement {
  return Prisma.sql`
    with passkeys as (delete from passkey where account_id = ${accountId}), codes as (delete from recovery_code where account_id = ${accountId})
    delete from totp_factor where account_id = ${accountId}`;
}
