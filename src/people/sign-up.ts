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
 * Owns how an account comes to be: nobody has one before they have proven the address, so nobody can lie in wait in an account of somebody
 * who will sign up later. Until then the wish, with its hash, is the proof's payload.
 */

/**
 * What is to become true with the proof. Without a password for who signs in by a provider: `upstream` is its room's then, and tells whom
 * the account is to be linked to. `agreed`: to the terms.
 */
export type SignUpWish = {
  name: string;
  passwordHash?: string;
  locale: string;
  agreed?: boolean;
  upstream?: unknown;
  /** It was confirmed in another browser than the one that asked: see confirmElsewhere(). */
  elsewhere?: true;
};

/** The key of the sentence that says what is wrong with a field. */
export type Problem = {
  field: 'name' | 'email' | 'password' | 'code';
  key: PasswordProblem | 'signup.name_problem' | 'signup.email_problem' | 'mailed.wrong' | 'mailed.gone';
};

/** Everything that is wrong, so that it can be mended in one go. */
export function signUpProblems(wish: { name: string; email: string; password: string }): Problem[] {
  const name = nameFault(tidyName(wish.name)) && 'signup.name_problem';
  const keys = { name, email: emailProblem(wish.email), password: passwordProblem(wish.password, wish) };
  return Object.entries(keys).flatMap(([field, key]) => (key ? [{ field, key } as Problem] : []));
}

/**
 * Proves by the link in another browser than the one that asked. Whoever asked may be somebody else: the password that they chose, and the account
 * at a provider that they brought, are forgotten, and the user of the mailbox chooses a password.
 * @returns the proof; undefined when it was given already, has expired, or never was. Asked twice, the second finds the proof of the first.
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
 * Makes the account that was proven, or finds the one that was made of it before: asked twice, it answers the same.
 * @param proof one that was given. @param along what is written with it, such as the record of it. @returns undefined when the address has another account meanwhile.
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
    // Somebody was faster with the user name: the next try sees it.
    if (isUniqueViolation(error) && attempts > 1) return openAccount(database, proof, along, attempts - 1);
    if (!foundNothing(error)) throw error;
    const now = await findProof(database, 'sign_up', proof.handle);
    return now?.accountId ? findAccount(database, now.accountId) : undefined;
  }
}

/** Fails, by a division by zero, unless it makes one: in a transaction nothing is written then. */
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
 * The writing of an account whose address a provider has proven: it has no password, and its person has agreed to the terms. It must
 * change a row: it does not when the address is taken.
 */
export function insertProvenAccount({ id, email, name, locale }: { id: string; email: string; name: string; locale: string }): Statement {
  return Prisma.sql`
    insert into user_account (id, email, email_verified, mailbox_proven_at, username, name, locale, terms_agreed_at)
    select ${id}, ${email}, true, now(), ${freeUsername(email, id)}, ${name}, ${locale}, now()
    on conflict (email) do nothing`;
}
