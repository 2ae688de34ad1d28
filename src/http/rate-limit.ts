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
  // From all networks together. After the first ten a browser waits: see interaction/password-tries.ts.
  passwordOfAccount: { name: 'password_account', points: 30, seconds: 15 * MINUTES },
  passwordOfAccountFromNetwork: { name: 'password_account_network', points: 10, seconds: 15 * MINUTES },
  // By account and browser, where the account was in that browser before.
  passwordAtDevice: { name: 'password_device', points: 10, seconds: 15 * MINUTES },
  passwordFromNetwork: { name: 'password_network', points: 100, seconds: 15 * MINUTES },
  // Letters with a code: nobody's mailbox is filled by others, and a code is not guessed by asking for many.
  // By mailbox and kind: who asks for sign-ups uses up no resets.
  lettersToAddress: { name: 'letters_address', points: 6, seconds: HOURS, code: 'too_many_letters' },
  lettersFromNetwork: { name: 'letters_network', points: 100, seconds: HOURS, code: 'too_many_letters' },
  // By account and browser, as above: one reset that strangers cannot use up.
  resetAtDevice: { name: 'reset_device', points: 1, seconds: HOURS },
  // Whoever forgot with which address they signed up is told so by mail, and nobody else is bothered more than once a day.
  lettersToNobody: { name: 'letters_nobody', points: 1, seconds: 24 * HOURS },
  // To whoever has the password; the limit of a day tells enough of it.
  newDeviceLetters: { name: 'letters_new_device', points: 10, seconds: 24 * HOURS },
  totpOfAccount: { name: 'totp_account', points: 5, seconds: 15 * MINUTES },
  recoveryCodeOfAccount: { name: 'recovery_code_account', points: 5, seconds: 15 * MINUTES },
  passkeyFromNetwork: { name: 'passkey_network', points: 100, seconds: 15 * MINUTES },
  // Each asks a provider, and waits for it.
  upstreamFromNetwork: { name: 'upstream_network', points: 100, seconds: 15 * MINUTES },
  currentPassword: { name: 'password_current', points: 10, seconds: 15 * MINUTES },
  // Each asks the provider twice, and leaves a row for ten minutes.
  linksOfAccount: { name: 'links_account', points: 20, seconds: 15 * MINUTES },
  dataExport: { name: 'data_export', points: 5, seconds: 15 * MINUTES },
  // Each has every node read the API anew, and leaves an event.
  apiChanges: { name: 'api_changes', points: 60, seconds: 15 * MINUTES },
  // Each walks through all tokens and grants there are.
  audienceCounts: { name: 'audience_counts', points: 10, seconds: 15 * MINUTES },
  // By who invites: a letter is also counted by whom it goes to.
  ownerInvitations: { name: 'owner_invitations', points: 20, seconds: HOURS, code: 'too_many_letters' },
  // A device's user code is one of 20^8, and lives for ten minutes. Were a thousand alive at all times, the 48,000 guesses that all
  // networks together have in a day would meet any of them once in one and a half years (RFC 8628 section 5.1).
  userCodeFromNetwork: { name: 'user_code_network', points: 20, seconds: 15 * MINUTES },
  // Of all together who are not signed in. Whoever is, has guesses of their own, and nobody can use them up.
  userCode: { name: 'user_code', points: 500, seconds: 15 * MINUTES },
  userCodeOfAccount: { name: 'user_code_account', points: 20, seconds: 15 * MINUTES },
  // Less than the five seconds that a device is told to wait: its clock and the way to us may differ a little.
  devicePoll: { name: 'device_poll', points: 1, seconds: 4 },
  // By what a person allowed an app at one provider: an app may ask at each page it shows, and not more often than people read pages.
  serviceReached: { name: 'service_reached', points: 600, seconds: 15 * MINUTES },
  // Anybody may ask, and each that succeeds leaves a client for 90 days. An operator sets both limits: see registration-quota.ts.
  registrationFromNetwork: { name: 'registration_network', points: 60, seconds: HOURS, code: 'too_many_registrations' },
  // By who calls: a program that reads all pages of a list is not held up, one that runs wild is.
  adminApi: { name: 'admin_api', points: 1_200, seconds: 15 * MINUTES },
  registration: { name: 'registration', points: 1_000, seconds: HOURS, code: 'too_many_registrations' },
  // What a person makes in the portal. There is no more than MAX_OWNED_CLIENTS of it at once; this is for whoever makes and deletes.
  clientsOfAccount: { name: 'clients_account', points: 100, seconds: HOURS, code: 'too_many_registrations' },
  // Each has every node read the client anew, and leaves an event.
  clientChanges: { name: 'client_changes', points: 120, seconds: 15 * MINUTES },
  secretsOfAccount: { name: 'secrets_account', points: 20, seconds: 15 * MINUTES },
} satisfies Record<string, Limit>;

/**
 * Counts an attempt. @param key what is counted: an account's address, a network; only its digest is kept.
 * @returns how many there were in this span, with this one.
 * @throws AppError 429 `too_many_attempts` when there were too many, with the seconds until there may be more. Its sentence may name the limit:
 * `limit`, `most` attempts, and `minutes` until the next.
 */
export async function limitRate(database: Database, limit: Limit, key: string): Promise<number> {
  const { points, seconds } = await count(database, limit, key);
  const code = limit.code ?? 'too_many_attempts';
  if (points <= limit.points) return points;
  const values = { limit: limit.name, most: limit.points, minutes: Math.ceil(seconds / MINUTES) };
  throw new AppError(code, { status: 429, reason: `rate_limit ${limit.name}`, retryAfterSeconds: seconds, values });
}

/** Counts an attempt, for what is left out in silence when there were too many. @returns whether there were not. */
export async function withinLimit(database: Database, limit: Limit, key: string): Promise<boolean> {
  return (await count(database, limit, key)).points <= limit.points;
}

type Count = { points: number; seconds: number };

// One statement a key at a time: a flood on one would otherwise stand before its row's lock, and hold up whatever else is to be written.
const turns = new WeakMap<Database, Map<string, Promise<Count>>>();

async function count(database: Database, limit: Limit, key: string): Promise<Count> {
  const ours = turns.get(database) ?? new Map<string, Promise<Count>>();
  turns.set(database, ours);
  const name = `${limit.name} ${key}`;
  const turn = takeTurn(ours.get(name), database, limit, key);
  ours.set(name, turn);
  try {
    return await turn;
  } finally {
    if (ours.get(name) === turn) ours.delete(name);
  }
}

async function takeTurn(before: Promise<Count> | undefined, database: Database, limit: Limit, key: string): Promise<Count> {
  const last = await before?.catch(() => undefined);
  // Who stood behind one that was refused is refused with it.
  if (last && last.points > limit.points) return last;
  const [row] = await database.change<Count>(Prisma.sql`
    insert into rate_limit as known (key, points, expires_at)
    values (${keyOf(limit, key)}, 1, now() + ${limit.seconds} * interval '1 second')
    on conflict (key) do update set
      points = case when known.expires_at <= now() then 1 else known.points + 1 end,
      expires_at = case when known.expires_at <= now() then excluded.expires_at else known.expires_at end
    returning points, ceil(extract(epoch from expires_at - now()))::int as seconds`);
  return row as Count;
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
