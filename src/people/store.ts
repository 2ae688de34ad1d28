import { setTimeout as pause } from 'node:timers/promises';
import { type Database, isStorable, Prisma } from '../platform/database.ts';
import { AppError } from '../platform/errors.ts';
import type { User } from '../platform/prisma/client.ts';
import { normalizeEmail, spellingsOf } from './email-address.ts';
import { beginningOf, readKindsOfHashes } from './kinds-of-hashes.ts';
import { hashPassword, isOutdated, tookLately, verifyPassword } from './passwords.ts';
import type { Role } from './roles.ts';

/** Owns accounts: users and the check of their passwords. oauth/store/grants.ts owns what users allowed to clients. */

export type Account = Pick<
  User,
  'id' | 'email' | 'emailVerified' | 'username' | 'name' | 'role' | 'locale' | 'deleteAfter' | 'devicesSince' | 'updatedAt'
>;

/** @returns the account, unless it is unknown or disabled. */
export async function findAccount(database: Database, id: string): Promise<Account | undefined> {
  return (await database.prisma.user.findFirst({ where: { id, disabledAt: null } })) ?? undefined;
}

/** @returns an account from the columns of its row, which another statement has read. */
export function accountFromRow(row: Record<string, unknown>): Account {
  const { email_verified, delete_after, devices_since, updated_at, ...same } = row;
  const [deleteAfter, devicesSince] = [delete_after, devices_since].map((moment) => (moment ? new Date(String(moment)) : null));
  return { ...same, emailVerified: email_verified, deleteAfter, devicesSince, updatedAt: new Date(String(updated_at)) } as Account;
}

/** @returns the account of an address, unless it is unknown or disabled. @param email as the user typed it. */
export async function findAccountByEmail(database: Database, email: string): Promise<Account | undefined> {
  const user = await findUser(database, email);
  return user && !user.disabledAt ? user : undefined;
}

/** The row of an address, in any stored form. If older accounts have different forms of one address, each is found by its own form. */
export async function findUser(database: Database, email: string): Promise<User | undefined> {
  if (!isStorable(email)) return undefined;
  const spellings = spellingsOf(email);
  const found = await database.prisma.user.findMany({ where: { email: { in: spellings } } });
  return spellings.flatMap((one) => found.filter((user) => user.email === one))[0];
}

/** Whether an address has an account, even a disabled one. */
export async function isAddressTaken(database: Database, email: string): Promise<boolean> {
  return (await database.prisma.user.count({ where: { email: { in: spellingsOf(email) } } })) > 0;
}

/** `accountId` of a failure is for the audit log only: the response must not reveal whether the account exists. */
export type Verdict = { ok: true; account: Account } | { ok: false; accountId: string | undefined };

/**
 * Checks a user's password. An unknown address, a wrong password, a disabled account and an account without a password give the same result
 * in the same time.
 * @param user see {@link findUser}.
 * @throws AppError 503 when too many users sign in at once.
 */
export async function verifyCredentials(database: Database, user: User | undefined, password: string): Promise<Verdict> {
  const hash = user?.passwordHash ?? undefined;
  const fits = await refusesAtOneTime(database, hash, async () => (await verifyPassword(hash, password)) && !user?.disabledAt);
  if (!fits || !user) return { ok: false, accountId: user?.id };
  if (user.passwordHash && isOutdated(user.passwordHash)) await rehash(database, user.id, user.passwordHash, password);
  return { ok: true, account: user };
}

const LOOK_EVERY_MS = 5 * 60_000;

type Look = { at: number; beginnings: string[] };
const looks = new WeakMap<Database, Look>();

/** Looks which kinds of hashes of other servers the accounts have. Call it before the server answers requests; a sign-in does so again. */
export async function lookAtHashes(database: Database): Promise<void> {
  const look: Look = { at: performance.now(), beginnings: looks.get(database)?.beginnings ?? [] };
  looks.set(database, look);
  look.beginnings = await readKindsOfHashes(database);
}

/**
 * Runs a check of a password. Another server's hash costs more or less than our own, so its account could be told from an unknown address.
 * Therefore a refusal comes no sooner than from the slowest kind of hash that accounts have. A success needs not wait.
 */
async function refusesAtOneTime(database: Database, hash: string | undefined, check: () => Promise<boolean>): Promise<boolean> {
  const begun = performance.now();
  const look = looks.get(database);
  // A kind may have come by an import since the last look.
  const kind = hash !== undefined && isOutdated(hash) ? beginningOf(hash) : undefined;
  if (kind !== undefined && !look?.beginnings.includes(kind)) await lookAtHashes(database);
  // In the background, and without a word about a failure: the check itself meets a lost database too.
  else if (look && begun - look.at > LOOK_EVERY_MS) lookAtHashes(database).catch(() => {});
  const fits = await check();
  const slowest = tookLately(looks.get(database)?.beginnings ?? []);
  if (!fits && slowest > 0) await pause(Math.max(0, slowest - (performance.now() - begun)));
  return fits;
}

/** Hashes the password again with the current parameters, while its text is known. */
async function rehash(database: Database, accountId: string, outdated: string, password: string): Promise<void> {
  try {
    const passwordHash = await hashPassword(password);
    // The condition keeps a password that was changed meanwhile.
    await database.change(Prisma.sql`
      update user_account set password_hash = ${passwordHash} where id = ${accountId} and password_hash = ${outdated}`);
  } catch (error) {
    // When the queue is full, the next sign-in can do it.
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
