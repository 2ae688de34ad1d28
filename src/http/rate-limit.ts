import { type Database, Prisma } from '../platform/database.ts';
import { AppError } from '../platform/errors.ts';
import { digest } from '../platform/secrets.ts';

/**
 * Owns how often something may be tried. An attempt is counted before it is looked at, in one statement, so of any number of attempts
 * at once no more than the limit are looked at (OWASP credential stuffing, CVE-2023-47111). Nobody is locked out for good: a
 * count ends with its span, by the database's clock, on all nodes alike.
 */

/** @param code of the error that says so; `too_many_attempts` unless given. */
export type Limit = { name: string; points: number; seconds: number; code?: string };

const MINUTES = 60;
const HOURS = 60 * MINUTES;

/** Every limit there is. By account, so that one account is not guessed from many places; by network, so that many are not from one. */
export const LIMITS = {
  passwordOfAccount: { name: 'password_account', points: 10, seconds: 15 * MINUTES },
  passwordFromNetwork: { name: 'password_network', points: 100, seconds: 15 * MINUTES },
  // Letters with a code: nobody's mailbox is filled by others, and a code is not guessed by asking for many.
  lettersToAddress: { name: 'letters_address', points: 6, seconds: HOURS, code: 'too_many_letters' },
  lettersFromNetwork: { name: 'letters_network', points: 100, seconds: HOURS, code: 'too_many_letters' },
  // Whoever forgot with which address they signed up is told so by mail, and nobody else is bothered more than once a day.
  lettersToNobody: { name: 'letters_nobody', points: 1, seconds: 24 * HOURS },
  totpOfAccount: { name: 'totp_account', points: 5, seconds: 15 * MINUTES },
  recoveryCodeOfAccount: { name: 'recovery_code_account', points: 5, seconds: 15 * MINUTES },
  passkeyFromNetwork: { name: 'passkey_network', points: 100, seconds: 15 * MINUTES },
} satisfies Record<string, Limit>;

/**
 * Counts an attempt. @param key what is counted: an account's address, a network; only its digest is kept.
 * @throws AppError 429 `too_many_attempts` when there were too many, with the seconds until there may be more.
 */
export async function limitRate(database: Database, limit: Limit, key: string): Promise<void> {
  const { points, seconds } = await count(database, limit, key);
  const code = limit.code ?? 'too_many_attempts';
  if (points > limit.points) throw new AppError(code, { status: 429, reason: `rate_limit ${limit.name}`, retryAfterSeconds: seconds });
}

/** Counts an attempt, for what is left out in silence when there were too many. @returns whether there were not. */
export async function withinLimit(database: Database, limit: Limit, key: string): Promise<boolean> {
  return (await count(database, limit, key)).points <= limit.points;
}

async function count(database: Database, limit: Limit, key: string): Promise<{ points: number; seconds: number }> {
  const [row] = await database.change<{ points: number; seconds: number }>(Prisma.sql`
    insert into rate_limit as known (key, points, expires_at)
    values (${keyOf(limit, key)}, 1, now() + ${limit.seconds} * interval '1 second')
    on conflict (key) do update set
      points = case when known.expires_at <= now() then 1 else known.points + 1 end,
      expires_at = case when known.expires_at <= now() then excluded.expires_at else known.expires_at end
    returning points, ceil(extract(epoch from expires_at - now()))::int as seconds`);
  return row as { points: number; seconds: number };
}

/** Takes one attempt back, for a limit that counts failures alone: forgiving them all would let anyone with an account of their own go on guessing. */
export async function takeBack(database: Database, limit: Limit, key: string): Promise<void> {
  await database.change(Prisma.sql`update rate_limit set points = greatest(points - 1, 0) where key = ${keyOf(limit, key)}`);
}

/** Forgets the attempts: whoever got it right begins anew. */
export async function forgive(database: Database, limit: Limit, key: string): Promise<void> {
  await database.change(Prisma.sql`delete from rate_limit where key = ${keyOf(limit, key)}`);
}

const keyOf = ({ name }: Limit, key: string) => digest(`${name} ${key}`);
