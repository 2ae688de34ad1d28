import { type Database, isStorable, Prisma } from '../platform/database.ts';
import { AppError } from '../platform/errors.ts';
import type { User } from '../platform/prisma/client.ts';
import { normalizeEmail, spellingsOf } from './email-address.ts';
import { hashPassword, isOutdated, verifyPassword } from './passwords.ts';
import type { Role } from './roles.ts';

/** Owns people: who they are and how they prove it by password. Does not decide what they allowed whom: see oauth/store/grants.ts. */

export type Account = Pick<
  User,
  'id' | 'email' | 'emailVerified' | 'username' | 'name' | 'role' | 'locale' | 'deleteAfter' | 'devicesSince' | 'updatedAt'
>;

/** @returns the account, unless it is unknown or disabled. */
export async function findAccount(database: Database, id: string): Promise<Account | undefined> {
  return (await database.prisma.user.findFirst({ where: { id, disabledAt: null } })) ?? undefined;
}

/** An account from the columns of its row, as a statement of another room brought them along. */
export function accountFromRow(row: Record<string, unknown>): Account {
  const { email_verified, delete_after, devices_since, updated_at, ...same } = row;
  const [deleteAfter, devicesSince] = [delete_after, devices_since].map((moment) => (moment ? new Date(String(moment)) : null));
  return { ...same, emailVerified: email_verified, deleteAfter, devicesSince, updatedAt: new Date(String(updated_at)) } as Account;
}

/** @returns the account of an address, unless it is unknown or disabled. @param email as it was typed. */
export async function findAccountByEmail(database: Database, email: string): Promise<Account | undefined> {
  const user = await findUser(database, email);
  return user && !user.disabledAt ? user : undefined;
}

/**
 * The row of an address, whichever form it was stored in. Where two accounts were made of one address before it had one form, each is found by the form
 * that it has.
 */
export async function findUser(database: Database, email: string): Promise<User | undefined> {
  if (!isStorable(email)) return undefined;
  const spellings = spellingsOf(email);
  const found = await database.prisma.user.findMany({ where: { email: { in: spellings } } });
  return spellings.flatMap((one) => found.filter((user) => user.email === one))[0];
}

/** Whether an address has an account, be it a disabled one. */
export async function isAddressTaken(database: Database, email: string): Promise<boolean> {
  return (await database.prisma.user.count({ where: { email: { in: spellingsOf(email) } } })) > 0;
}

/** `accountId` of a failure is for the record alone: whoever asked is not told whether there is such an account. */
export type Verdict = { ok: true; account: Account } | { ok: false; accountId: string | undefined };

/**
 * Checks a person's password. Unknown address, wrong password, disabled account and one without a password are one answer and cost the same.
 * @throws AppError 503 when too many are signing in at once.
 */
export async function verifyCredentials(database: Database, email: string, password: string): Promise<Verdict> {
  const user = await findUser(database, email);
  const fits = await verifyPassword(user?.passwordHash ?? undefined, password);
  if (!fits || !user || user.disabledAt) return { ok: false, accountId: user?.id };
  if (user.passwordHash && isOutdated(user.passwordHash)) await rehash(database, user.id, user.passwordHash, password);
  return { ok: true, account: user };
}

/** Now that the password is there to be hashed anew, with the parameters of today. */
async function rehash(database: Database, accountId: string, outdated: string, password: string): Promise<void> {
  try {
    const passwordHash = await hashPassword(password);
    // Not over a password that was changed meanwhile.
    await database.change(Prisma.sql`
      update user_account set password_hash = ${passwordHash} where id = ${accountId} and password_hash = ${outdated}`);
  } catch (error) {
    // With a queue as long as that, it can wait until the next time.
    if (!(error instanceof AppError)) throw error;
  }
}

export type NewAccount = {
  email: string;
  username: string;
  name: string;
  password: string;
  role?: Role;
  emailVerified?: boolean;
};

/** @throws Prisma's P2002 when the address or user name is taken. */
export async function createAccount(database: Database, { password, email, ...account }: NewAccount): Promise<Account> {
  const passwordHash = await hashPassword(password);
  return database.prisma.user.create({ data: { ...account, email: normalizeEmail(email), passwordHash } });
}
