import { forgivingPasswordTries } from '../http/password-tries.ts';
import { LIMITS, withinLimit } from '../http/rate-limit.ts';
import { endAccount } from '../oauth/store/grants.ts';
import { write } from '../oauth/store/unit-of-work.ts';
import { emailProblem, isSameAddress, normalizeEmail } from '../people/email-address.ts';
import { dropIdleRecoveryCodes } from '../people/factors.ts';
import { endOutdatedLinks } from '../people/not-me.ts';
import { databaseTime, listOpenings, nameOf, removeAdded, type ShownOpening, shownOpenings } from '../people/openings.ts';
import { passwordProblem } from '../people/password-policy.ts';
import { hashPassword } from '../people/passwords.ts';
import { endProofsOf, type Proof, redeemProof } from '../people/proofs.ts';
import type { SignUpProblem } from '../people/sign-up.ts';
import { type Account, findAccount, findAccountByEmail } from '../people/store.ts';
import { Prisma, type Statement } from '../platform/database.ts';
import { AppError } from '../platform/errors.ts';
import { awaited, awaitedProof, beginToAwait, limitLetters, showCode, tryCode } from './awaiting.ts';
import { finishSignIn } from './finish.ts';
import { alarmTo, recordStepEvent, send } from './note.ts';
import { goTo, type Step, showPage } from './step.ts';

/**
 * Owns the password reset: a proof of the address, then a new password. The reset ends every session and grant of the account. Answers are
 * the same for an address without an account (OWASP Forgot Password Cheat Sheet).
 */

export async function showReset(step: Step): Promise<void> {
  const hint = step.interaction.params['login_hint'];
  await form(step, awaited(step, 'reset_password')?.email ?? (typeof hint === 'string' ? hint : ''));
}

export async function submitReset(step: Step, fields: URLSearchParams): Promise<void> {
  const typed = fields.get('email') ?? '';
  const key = emailProblem(typed);
  if (key) return form(step, typed, [{ field: 'email', key }]);
  await ask(step, normalizeEmail(typed));
}

export async function resendReset(step: Step): Promise<void> {
  const waiting = awaited(step, 'reset_password');
  if (!waiting) return goTo(step, 'reset');
  await ask(step, waiting.email);
}

export async function showResetCode(step: Step): Promise<void> {
  const waiting = awaited(step, 'reset_password');
  if (!waiting) return goTo(step, 'reset');
  if ((await awaitedProof(step, 'reset_password'))?.proven) return goTo(step, 'reset/password');
  await showCode(step, 'reset', waiting.email);
}

export async function submitResetCode(step: Step, fields: URLSearchParams): Promise<void> {
  const waiting = awaited(step, 'reset_password');
  if (!waiting) return goTo(step, 'reset');
  if (await tryCode(step, 'reset', waiting, fields.get('code') ?? '')) goTo(step, 'reset/password');
}

export async function showNewPassword(step: Step): Promise<void> {
  const proof = await provenByCode(step);
  if (proof) await newPassword(step, proof, []);
}

export async function submitNewPassword(step: Step, fields: URLSearchParams): Promise<void> {
  const proof = await provenByCode(step);
  if (!proof) return;
  const password = fields.get('password') ?? '';
  const problems = await newPasswordProblems(step, proof, password);
  const keep = fields.getAll('keep');
  if (problems.length) return newPassword(step, proof, keep, problems);
  await finishSignIn(step, await resetPassword(step, proof, { password, keep }, 'code'), { method: 'reset', byMail: true, amr: ['pwd'] });
}

/** @returns undefined without a proof in this browser, after redirecting to the page that asks for the code. */
async function provenByCode(step: Step): Promise<Proof | undefined> {
  const proof = await awaitedProof(step, 'reset_password');
  if (proof?.proven) return proof;
  goTo(step, 'reset/code');
  return undefined;
}

/** @returns the problems of a new password for the proven account; empty when it is valid. */
export async function newPasswordProblems({ app }: Pick<Step, 'app'>, proof: Proof, password: string): Promise<SignUpProblem[]> {
  const account = await accountOf(app, proof);
  const key = passwordProblem(password, account);
  return key ? [{ field: 'password', key }] : [];
}

/**
 * Sets the new password, ends every session and grant of the account, and removes ways to sign in added since the mailbox was last proven.
 * The proof's redemption, the audit event and the mail are part of the same transaction.
 * @param keep the ways to sign in that the user recognises, by nameOf().
 * @param by how the user proved the address: a code entered earlier, or a link whose secret this request carries.
 * @returns the account as it was before the change. @throws AppError 400 when the proof's account has changed.
 */
export async function resetPassword(
  here: Pick<Step, 'ctx' | 'app'>,
  proof: Proof,
  { password, keep }: { password: string; keep: string[] },
  by: 'code' | 'link',
): Promise<Account> {
  const { database } = here.app;
  const account = await accountOf(here.app, proof);
  const passwordHash = await hashPassword(password);
  const added = (await listOpenings(database, account.id)).filter((one) => one.added && !keep.includes(nameOf(one)));
  await write(database, { purpose: 'end', subject: `proof ${proof.handle}`, statement: redeemProof(proof, by), once: true });
  const linksUntil = await databaseTime(database);
  // This must run before the new proof is written: it removes what was added after the last proof.
  for (const [n, statement] of [...removeAdded(account.id, keep, { linksUntil }), dropIdleRecoveryCodes(account.id)].entries())
    await write(database, { purpose: 'end', subject: `added ${n} of ${account.id}`, statement });
  const subject = `password ${account.id}`;
  await write(database, { purpose: 'keep', subject, statement: resetPasswordOf(account.id, account.email, passwordHash), once: true });
  await write(database, { purpose: 'end', subject: `proofs of ${account.id}`, statement: endProofsOf(account.id) });
  await write(database, { purpose: 'end', subject: `account ${account.id}`, statement: endAccount(account.id) });
  const removed = [...new Set(added.map(({ kind }) => kind))];
  await recordStepEvent(here, { type: 'password_reset', accountId: account.id, ...(removed.length ? { detail: { removed } } : undefined) });
  // The user reads the mail of this address, so the links that undo earlier changes to it are no longer needed.
  await write(database, { purpose: 'end', subject: `not me ${account.id}`, statement: endOutdatedLinks(account.id, account) });
  for (const [n, statement] of alarmTo(here, account, 'password_changed', 'password_changed', {}).entries())
    await write(database, { purpose: 'keep', subject: `alarm ${n} password_changed ${account.id}`, statement });
  // Failed tries at the old password must not count against the new one.
  for (const [n, statement] of forgivingPasswordTries(here.ctx, account.email).entries())
    await write(database, { purpose: 'end', subject: `tries ${n} of ${account.email}`, statement });
  return account;
}

/** @throws AppError 400 when the account was deleted or disabled, or has another address by now. */
async function accountOf({ database }: Step['app'], proof: Proof): Promise<Account> {
  const account = proof.accountId ? await findAccount(database, proof.accountId) : undefined;
  if (!account || !isSameAddress(account.email, proof.email))
    throw new AppError('proof_gone', { status: 400, reason: 'account_of_proof_gone' });
  return account;
}

async function ask(step: Step, email: string): Promise<void> {
  const { database } = step.app;
  await limitLetters(step, 'reset', email);
  const account = await findAccountByEmail(database, email);
  const mayTell = await withinLimit(database, LIMITS.lettersToNobody, account ? `account ${email}` : email);
  const wish = { purpose: 'reset_password', email, accountId: account?.id, told: account !== undefined } as const;
  const letter = await beginToAwait(step, 'reset', wish);
  if (account) await send(step, email, 'reset_password', { ...letter, person: account.email }, account.locale);
  else if (mayTell) await send(step, email, 'no_account', {});
  goTo(step, 'reset/code');
}

async function form(step: Step, email: string, problems: SignUpProblem[] = []): Promise<void> {
  await showPage(step, 'interaction/reset', { email, problems }, problems.length ? 400 : 200);
}

async function newPassword(step: Step, proof: Proof, keep: string[], problems: SignUpProblem[] = []): Promise<void> {
  const openings = await openingsOf(step, proof, keep);
  const shown = { page: 'reset/password', email: proof.email, openings, problems };
  await showPage(step, 'interaction/new-password', shown, problems.length ? 400 : 200);
}

/**
 * @returns the other ways to sign in to a proof's account, for `views/openings.eta`. @param keep those that the user has chosen to keep.
 */
export async function openingsOf({ app }: Pick<Step, 'app'>, proof: Proof, keep: string[]): Promise<ShownOpening[]> {
  return proof.accountId ? shownOpenings(await listOpenings(app.database, proof.accountId), keep) : [];
}

/**
 * Sets a new password, and must change a row. It changes none when the account is disabled or no longer has the proven address. It also
 * marks the address as verified. The caller must end sessions and grants with endAccount().
 */
function resetPasswordOf(accountId: string, provenEmail: string, passwordHash: string): Statement {
  return Prisma.sql`
    update user_account set password_hash = ${passwordHash}, email_verified = true, mailbox_proven_at = now(), devices_since = now(), updated_at = now()
    where id = ${accountId} and email = ${provenEmail} and disabled_at is null`;
}
