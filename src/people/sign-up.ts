import type { Problem } from '../http/problem.ts';
import { type Database, Prisma, type Statement } from '../platform/database.ts';
import { timeOrderedId } from '../platform/secrets.ts';
import { foundNothing, isUniqueViolation } from '../platform/sql-errors.ts';
import { emailProblem } from './email-address.ts';
import { nameFault, tidyName } from './names.ts';
import { type PasswordProblem, passwordProblem } from './password-policy.ts';
import { findProof, handleOf, isLive, type Proof } from './proofs.ts';
import { type Account, findAccount } from './store.ts';
import { freeUsername } from './usernames.ts';

/**
 * Owns the creation of accounts. An account exists only after its address is proven, so an attacker cannot prepare an account for a later
 * user. Until then the sign-up data, with the password hash, is the proof's payload.
 */

/**
 * The data of a sign-up, which takes effect with the proof. There is no password for a sign-in by a provider: `upstream` then names the
 * identity to link, and belongs to that feature. `agreed`: to the terms.
 */
export type SignUpWish = {
  name: string;
  passwordHash?: string;
  locale: string;
  agreed?: boolean;
  upstream?: unknown;
  /** It was confirmed in another browser than the requesting one: see confirmElsewhere(). */
  elsewhere?: true;
};

/** Key of the sentence that says what is wrong with a field. */
export type SignUpProblem = Problem<
  'name' | 'email' | 'password' | 'code',
  PasswordProblem | 'signup.name_problem' | 'signup.email_problem' | 'mailed.wrong' | 'mailed.gone'
>;

/** @returns all problems, so that the user can fix them at once. */
export function signUpProblems(wish: { name: string; email: string; password: string }): SignUpProblem[] {
  const name = nameFault(tidyName(wish.name)) && 'signup.name_problem';
  const keys = { name, email: emailProblem(wish.email), password: passwordProblem(wish.password, wish) };
  return Object.entries(keys).flatMap(([field, key]) => (key ? [{ field, key } as SignUpProblem] : []));
}

/**
 * Proves by the link in a browser other than the requesting one. The requester may be an attacker. So the chosen password and the
 * provider's account are discarded, and the user of the mailbox chooses a password.
 * @returns the proof, also on a second call; undefined when it was given already, has expired, or never existed.
 */
export async function confirmElsewhere(database: Database, secret: string, passwordHash: string): Promise<Proof | undefined> {
  const handle = handleOf(secret);
  const chosen = JSON.stringify({ passwordHash, elsewhere: true });
  const [row] = await database.change<Omit<Proof, 'handle'>>(Prisma.sql`
    update one_time_token set consumed_at = now(), payload = payload - 'upstream' || ${chosen}::jsonb
    where ${isLive('sign_up', handle)} and account_id is null and (consumed_at is null or (payload->>'elsewhere')::boolean)
    returning purpose::text as purpose, email, account_id as "accountId", payload, true as proven`);
  return row && { ...row, handle };
}

/**
 * Creates the account of a proof, or finds the one that the proof already created, so a second call has the same result.
 * @param proof one that was given.
 * @param along statements to write with it, such as the audit event.
 * @returns undefined when another account now has the address.
 */
export async function openAccount(
  database: Database,
  proof: Proof,
  along: (accountId: string) => Statement[],
  attempts = 4,
): Promise<Account | undefined> {
  if (proof.accountId) return findAccount(database, proof.accountId);
  const id = timeOrderedId();
  try {
    await database.transaction([insertAccount(proof, id), ...along(id)]);
    return await findAccount(database, id);
  } catch (error) {
    // Another sign-up took the user name first. The next try sees that.
    if (isUniqueViolation(error) && attempts > 1) return openAccount(database, proof, along, attempts - 1);
    if (!foundNothing(error)) throw error;
    const now = await findProof(database, 'sign_up', proof.handle);
    return now?.accountId ? findAccount(database, now.accountId) : undefined;
  }
}

/** Fails with a division by zero when it creates no account, so that its transaction writes nothing. */
function insertAccount({ handle, email }: Proof, id: string): Statement {
  return Prisma.sql`
    with wish as materialized (
      select payload from one_time_token where ${isLive('sign_up', handle)} and consumed_at is not null and account_id is null for update),
    made as (
      insert into user_account (id, email, email_verified, mailbox_proven_at, username, name, password_hash, locale, terms_agreed_at)
      select ${id}, ${email}, true, now(), ${freeUsername(email, id)}, payload->>'name', payload->>'passwordHash', payload->>'locale',
        case when (payload->>'agreed')::boolean then now() end
      from wish
      on conflict (email) do nothing
      returning 1),
    told as (update one_time_token set account_id = ${id} where id = ${Buffer.from(handle, 'hex')} and exists (select from made) returning 1)
    select 1 / (select count(*) from made), (select count(*) from told)`;
}

/**
 * The insert of an account whose address a provider has proven. It has no password, and its user agreed to the terms. It must change a row;
 * it changes none when the address is taken.
 */
export function insertProvenAccount({ id, email, name, locale }: { id: string; email: string; name: string; locale: string }): Statement {
  return Prisma.sql`
    insert into user_account (id, email, email_verified, mailbox_proven_at, username, name, locale, terms_agreed_at)
    select ${id}, ${email}, true, now(), ${freeUsername(email, id)}, ${name}, ${locale}, now()
    on conflict (email) do nothing`;
}
