import { type Database, Prisma, type Statement } from '../platform/database.ts';
import { AppError } from '../platform/errors.ts';
import { digest } from '../platform/secrets.ts';

/**
 * Owns how often something may be tried. An attempt is counted in one statement before it is evaluated. So of any number of parallel
 * attempts, at most the limit is evaluated (OWASP credential stuffing, CVE-2023-47111). No lock is permanent: a count ends after its time
 * span by the database's clock, on all nodes.
 */

/** @param code of the error for exceeding the limit; `too_many_attempts` by default. */
export type Limit = { name: string; points: number; seconds: number; code?: string };

const MINUTES = 60;
const HOURS = 60 * MINUTES;

/**
 * All limits. Limits by account stop guesses at one account from many networks; limits by network stop guesses at many accounts from one.
 */
export const LIMITS = {
  // From all networks together. After the first ten a browser waits: see password-tries.ts.
  passwordOfAccount: { name: 'password_account', points: 25, seconds: 15 * MINUTES },
  passwordOfAccountFromNetwork: { name: 'password_account_network', points: 10, seconds: 15 * MINUTES },
  // By account and browser, if the account used that browser before.
  passwordAtDevice: { name: 'password_device', points: 10, seconds: 15 * MINUTES },
  passwordFromNetwork: { name: 'password_network', points: 100, seconds: 15 * MINUTES },
  // Mails with a code. The limit protects mailboxes from floods, and codes from guessing by many requests. It counts by mailbox and kind,
  // so requests for sign-ups use up no resets.
  lettersToAddress: { name: 'letters_address', points: 6, seconds: HOURS, code: 'too_many_letters' },
  lettersFromNetwork: { name: 'letters_network', points: 100, seconds: HOURS, code: 'too_many_letters' },
  // By account and browser, as above: one reset that strangers cannot use up.
  resetAtDevice: { name: 'reset_device', points: 1, seconds: HOURS },
  // Mails to users who forgot their address: it has no account here. A mailbox gets one a day at most.
  lettersToNobody: { name: 'letters_nobody', points: 1, seconds: 24 * HOURS },
  // Only a caller with the password triggers these mails. A day's worth is enough of a warning.
  newDeviceLetters: { name: 'letters_new_device', points: 10, seconds: 24 * HOURS },
  totpOfAccount: { name: 'totp_account', points: 5, seconds: 15 * MINUTES },
  recoveryCodeOfAccount: { name: 'recovery_code_account', points: 5, seconds: 15 * MINUTES },
  passkeyFromNetwork: { name: 'passkey_network', points: 100, seconds: 15 * MINUTES },
  // Each visit sends a request to a provider and waits for it.
  upstreamFromNetwork: { name: 'upstream_network', points: 100, seconds: 15 * MINUTES },
  currentPassword: { name: 'password_current', points: 10, seconds: 15 * MINUTES },
  // Each sends two requests to the provider, and leaves a row for ten minutes.
  linksOfAccount: { name: 'links_account', points: 20, seconds: 15 * MINUTES },
  dataExport: { name: 'data_export', points: 5, seconds: 15 * MINUTES },
  // Each makes every node read the API again, and writes an event.
  apiChanges: { name: 'api_changes', points: 60, seconds: 15 * MINUTES },
  // Each scans all tokens and grants.
  audienceCounts: { name: 'audience_counts', points: 10, seconds: 15 * MINUTES },
  // By the inviting user. The mail is also counted by its recipient.
  ownerInvitations: { name: 'owner_invitations', points: 20, seconds: HOURS, code: 'too_many_letters' },
  // A device's user code is one of 20^8, and lives for ten minutes. All networks together get 48,000 guesses a day. With a thousand live
  // codes at all times, one guess would succeed in one and a half years (RFC 8628 section 5.1).
  userCodeFromNetwork: { name: 'user_code_network', points: 20, seconds: 15 * MINUTES },
  // Shared by all callers that are not signed in. Signed-in users have their own guesses, which nobody else can use up.
  userCode: { name: 'user_code', points: 500, seconds: 15 * MINUTES },
  userCodeOfAccount: { name: 'user_code_account', points: 20, seconds: 15 * MINUTES },
  // Less than the five seconds that a device must wait: its clock and the network delay may vary a little.
  devicePoll: { name: 'device_poll', points: 1, seconds: 4 },
  // By a user's consent to one client at one provider. A client may ask at each page it shows, but not more often than users read pages.
  serviceReached: { name: 'service_reached', points: 600, seconds: 15 * MINUTES },
  // Anyone may ask, and each success leaves a client for 90 days. An operator sets both limits: see registration-quota.ts.
  registrationFromNetwork: { name: 'registration_network', points: 60, seconds: HOURS, code: 'too_many_registrations' },
  // By caller. A program that reads all pages of a list passes; one in an endless loop is stopped.
  adminApi: { name: 'admin_api', points: 1_200, seconds: 15 * MINUTES },
  registration: { name: 'registration', points: 1_000, seconds: HOURS, code: 'too_many_registrations' },
  // Clients that a user creates in the portal. MAX_OWNED_CLIENTS limits how many exist; this limit applies to creating and deleting in
  // turn.
  clientsOfAccount: { name: 'clients_account', points: 100, seconds: HOURS, code: 'too_many_registrations' },
  // Each makes every node read the client again, and writes an event.
  clientChanges: { name: 'client_changes', points: 120, seconds: 15 * MINUTES },
  secretsOfAccount: { name: 'secrets_account', points: 20, seconds: 15 * MINUTES },
} satisfies Record<string, Limit>;

/** @param key what is counted, such as an account's address or a network; only its digest is stored. */
export type Attempt = { limit: Limit; key: string };

/**
 * Counts an attempt.
 * @param key what is counted, such as an account's address or a network; only its digest is stored.
 * @returns the attempts in this span, including this one.
 * @throws AppError 429 `too_many_attempts` above the limit, with the seconds until the next attempt. Its sentence may use `limit` (the
 * name), `most` (attempts) and `minutes` (until the next attempt).
 */
export async function limitRate(database: Database, limit: Limit, key: string): Promise<number> {
  const [attempts] = await limitRates(database, [{ limit, key }]);
  return attempts as number;
}

/**
 * Counts an attempt by several limits, in one statement. A limit that refuses it comes before the later ones, which then do not count it.
 * @returns and @throws as {@link limitRate}, for each limit.
 */
export async function limitRates(database: Database, attempts: Attempt[]): Promise<number[]> {
  const counts = await count(database, attempts);
  for (const [n, { limit }] of attempts.entries()) {
    const { points, seconds } = counts[n] as Count;
    if (points <= limit.points) continue;
    const values = { limit: limit.name, most: limit.points, minutes: Math.ceil(seconds / MINUTES) };
    const reason = `rate_limit ${limit.name}`;
    throw new AppError(limit.code ?? 'too_many_attempts', { status: 429, reason, retryAfterSeconds: seconds, values });
  }
  return counts.map(({ points }) => points);
}

/** Counts an attempt, for callers that silently skip what exceeds the limit. @returns whether it is within the limit. */
export async function withinLimit(database: Database, limit: Limit, key: string): Promise<boolean> {
  const [counted] = await count(database, [{ limit, key }]);
  return (counted as Count).points <= limit.points;
}

type Count = { points: number; seconds: number };

// One statement for a key at a time. Otherwise a flood on one key would queue at its row's lock and block all other writes.
const turns = new WeakMap<Database, Map<string, Promise<Count | undefined>>>();

/** @returns the counts up to the first one above its limit. */
async function count(database: Database, attempts: Attempt[]): Promise<Count[]> {
  const ours = turns.get(database) ?? new Map<string, Promise<Count | undefined>>();
  turns.set(database, ours);
  const names = attempts.map(({ limit, key }) => `${limit.name} ${key}`);
  const counting = takeTurn(
    names.map((name) => ours.get(name)),
    database,
    attempts,
  );
  const mine = names.map((_, n) => counting.then((counts) => counts[n]));
  for (const [n, turn] of mine.entries()) {
    turn.catch(() => {});
    ours.set(names[n] as string, turn);
  }
  try {
    return await counting;
  } finally {
    for (const [n, name] of names.entries()) if (ours.get(name) === mine[n]) ours.delete(name);
  }
}

async function takeTurn(before: (Promise<Count | undefined> | undefined)[], database: Database, attempts: Attempt[]): Promise<Count[]> {
  const last = await Promise.all(before.map((turn) => turn?.catch(() => undefined)));
  // An attempt that waited behind a refused one is refused too.
  const refused = attempts.findIndex(({ limit }, n) => (last[n]?.points ?? 0) > limit.points);
  if (refused >= 0) return attempts.slice(0, refused + 1).map((_, n) => (n === refused ? last[n] : undefined) ?? { points: 0, seconds: 0 });
  const parts = attempts.map(({ limit, key }, n) => {
    const before = n ? Prisma.sql`from ${part(n - 1)} where points <= ${attempts[n - 1]?.limit.points}` : Prisma.empty;
    return Prisma.sql`${part(n)} as (
      insert into rate_limit as known (key, points, expires_at)
      select ${keyOf(limit, key)}, 1, now() + ${limit.seconds} * interval '1 second' ${before}
      on conflict (key) do update set
        points = case when known.expires_at <= now() then 1 else known.points + 1 end,
        expires_at = case when known.expires_at <= now() then excluded.expires_at else known.expires_at end
      returning points, ceil(extract(epoch from expires_at - now()))::int as seconds)`;
  });
  const all = attempts.map((_, n) => Prisma.sql`select ${n}::int as n, points, seconds from ${part(n)}`);
  return database.change<Count>(Prisma.sql`with ${Prisma.join(parts)} ${Prisma.join(all, ' union all ')} order by n`);
}

const part = (n: number) => Prisma.raw(`c${n}`);

/**
 * Takes one attempt back, for a limit that counts failures only. Resetting the count instead would let anyone with an account of their own
 * continue guessing.
 */
export async function takeBack(database: Database, limit: Limit, key: string): Promise<void> {
  await database.change(takingBack(limit, key));
}

/** @returns the statement of {@link takeBack}, for a caller that writes more with it. */
export function takingBack(limit: Limit, key: string): Statement {
  return Prisma.sql`update rate_limit set points = greatest(points - 1, 0) where key = ${keyOf(limit, key)}`;
}

/** Resets the count after a success. */
export async function forgive(database: Database, limit: Limit, key: string): Promise<void> {
  await database.change(forgiving(limit, key));
}

/** @returns the statement of {@link forgive}, for a caller that writes more with it. */
export function forgiving(limit: Limit, key: string): Statement {
  return Prisma.sql`delete from rate_limit where key = ${keyOf(limit, key)}`;
}

const keyOf = ({ name }: Limit, key: string) => digest(`${name} ${key}`);
