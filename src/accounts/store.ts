import { type Database, isStorable } from '../platform/database.ts';
import type { User } from '../platform/prisma/client.ts';
import { hashPassword, verifyPassword } from './passwords.ts';

/** Owns people: who they are and how they prove it by password. Does not decide what they allowed whom: see protocol-store/grants.ts. */

export type Account = Pick<User, 'id' | 'email' | 'emailVerified' | 'username' | 'name' | 'role' | 'locale' | 'deleteAfter' | 'updatedAt'>;

/** One spelling an address: the same person cannot sign up twice by case or by look-alike letters. */
export function normalizeEmail(email: string): string {
  return email.normalize('NFKC').trim().toLowerCase();
}

/** @returns the account, unless it is unknown or disabled. */
export async function findAccount(database: Database, id: string): Promise<Account | undefined> {
  return (await database.prisma.user.findFirst({ where: { id, disabledAt: null } })) ?? undefined;
}

/** An account from the columns of its row, as a statement of another room brought them along. */
export function accountFromRow(row: Record<string, unknown>): Account {
  const { email_verified, delete_after, updated_at, ...same } = row;
  const deleteAfter = delete_after ? new Date(String(delete_after)) : null;
  return { ...same, emailVerified: email_verified, deleteAfter, updatedAt: new Date(String(updated_at)) } as Account;
}

/**
 * Signs a person in by password. Unknown address, wrong password and disabled account are one answer and cost the same.
 * @returns the account, or undefined. @throws AppError 503 when too many are signing in at once.
 */
export async function verifyCredentials(database: Database, email: string, password: string): Promise<Account | undefined> {
  const user = isStorable(email) ? await database.prisma.user.findUnique({ where: { email: normalizeEmail(email) } }) : null;
  const fits = await verifyPassword(user?.passwordHash ?? undefined, password);
  return fits && user && !user.disabledAt ? user : undefined;
}

export type NewAccount = {
  email: string;
  username: string;
  name: string;
  password: string;
  role?: 'user' | 'admin';
  emailVerified?: boolean;
};

/** @throws Prisma's P2002 when the address or user name is taken. */
export async function createAccount(database: Database, { password, email, ...account }: NewAccount): Promise<Account> {
  const passwordHash = await hashPassword(password);
  return database.prisma.user.create({ data: { ...account, email: normalizeEmail(email), passwordHash } });
}

/** Marks an account so that nobody signs in with it. Ending what it has open is the caller's second half: endAccount(). @returns its id, if it is known. */
export async function disableAccount(prisma: Pick<Database['prisma'], 'user'>, email: string): Promise<string | undefined> {
  const [user] = await prisma.user.updateManyAndReturn({
    where: { email: normalizeEmail(email) },
    data: { disabledAt: new Date() },
    select: { id: true },
  });
  return user?.id;
}
