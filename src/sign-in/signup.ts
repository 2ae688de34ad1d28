import { recordEvent } from '../audit/events.ts';
import { languageOf } from '../http/language.ts';
import { visitorOf } from '../http/visitor.ts';
import { normalizeEmail } from '../people/email-address.ts';
import { tidyName } from '../people/names.ts';
import { hashPassword } from '../people/passwords.ts';
import type { Proof } from '../people/proofs.ts';
import { openAccount, type SignUpProblem, type SignUpWish, signUpProblems } from '../people/sign-up.ts';
import { type Account, isAddressTaken } from '../people/store.ts';
import type { Statement } from '../platform/database.ts';
import { AppError } from '../platform/errors.ts';
import { mustAffect } from '../platform/sql-errors.ts';
import { awaited, awaitedProof, beginToAwait, limitLetters, showCode, tryCode } from './awaiting.ts';
import type { Brought } from './feature.ts';
import { finishSignIn } from './finish.ts';
import { offersOf } from './login.ts';
import { send } from './note.ts';
import { goTo, type Step, showPage } from './step.ts';

/**
 * Owns sign-up within an authorization: the form, the proof of the address, and the next step. Only the mail says whether an address
 * already has an account. The page, its headers and the response time are the same (OWASP ASVS 5.0 section 6.3.8).
 */

type Typed = { name: string; email: string };

export async function showSignup(step: Step): Promise<void> {
  const hint = step.interaction.params['login_hint'];
  const email = awaited(step, 'sign_up')?.email ?? (typeof hint === 'string' ? hint : '');
  await form(step, { name: '', email });
}

export async function submitSignup(step: Step, fields: URLSearchParams): Promise<void> {
  const typed = { name: tidyName(fields.get('name') ?? ''), email: fields.get('email') ?? '' };
  const password = fields.get('password') ?? '';
  const problems = signUpProblems({ ...typed, password });
  if (problems.length) return form(step, typed, problems);
  const email = normalizeEmail(typed.email);
  await limitLetters(step, 'sign_up', email);
  const passwordHash = await hashPassword(password);
  await ask(step, email, { name: typed.name, passwordHash, locale: languageOf(step.ctx) });
}

export async function showSignupCode(step: Step): Promise<void> {
  const waiting = awaited(step, 'sign_up');
  if (!waiting) return goTo(step, 'signup');
  const proof = await awaitedProof(step, 'sign_up');
  // The user opened the link in the meantime, perhaps in another browser.
  if (proof?.proven) return goOn(step, proof);
  await showCode(step, 'signup', waiting.email);
}

export async function submitSignupCode(step: Step, fields: URLSearchParams): Promise<void> {
  const waiting = awaited(step, 'sign_up');
  if (!waiting) return goTo(step, 'signup');
  const known = await awaitedProof(step, 'sign_up');
  const proof = known?.proven ? known : await tryCode(step, 'signup', waiting, fields.get('code') ?? '');
  if (proof) await goOn(step, proof);
}

export async function resendSignup(step: Step): Promise<void> {
  const proof = await awaitedProof(step, 'sign_up');
  // An expired proof no longer has the user's entries, so the form asks for them again.
  if (!proof) return goTo(step, 'signup');
  if (proof.proven) return goOn(step, proof);
  await limitLetters(step, 'sign_up', proof.email);
  await ask(step, proof.email, proof.payload as SignUpWish);
}

/** Creates the account of a proven address. @throws AppError 409 when the address belongs to another account by now. */
export async function makeAccount({ ctx, app }: Pick<Step, 'ctx' | 'app'>, proof: Proof): Promise<Account> {
  const brought = broughtTo({ ctx, app }, proof);
  if (brought && !proof.accountId) await brought.assertFree();
  const account = await openAccount(app.database, proof, (accountId) => [
    ...(brought ? firstMustAffect(brought.writes(accountId)) : []),
    recordEvent(visitorOf(ctx), { type: 'signed_up', accountId }),
  ]);
  if (!account) throw new AppError('address_taken', { status: 409, reason: 'address_taken_meanwhile' });
  return account;
}

const firstMustAffect = ([first, ...more]: Statement[]): Statement[] => [mustAffect(first as Statement), ...more];

/** @returns what the sign-up carries besides a name and an address. */
export function broughtTo(from: Pick<Step, 'ctx' | 'app'>, { payload }: Proof): Brought | undefined {
  for (const feature of from.app.features) {
    const brought = feature.broughtToSignUp?.(from, payload);
    if (brought) return brought;
  }
  return undefined;
}

/**
 * Continues after the address is proven: signs this browser in to the new account.
 * If the user confirmed in another browser, the password chosen there counts, and this browser must sign in with it.
 */
export async function goOn(step: Step, proof: Proof): Promise<void> {
  const { elsewhere } = proof.payload as SignUpWish;
  if (elsewhere) return goTo(step, 'login');
  await finishSignIn(step, await makeAccount(step, proof), {
    method: 'sign_up',
    byMail: true,
    amr: broughtTo(step, proof)?.amr ?? ['pwd'],
  });
}

/** Mails the proof of the address, or says that the address already has an account. The page is the same. */
export async function ask(step: Step, email: string, payload: SignUpWish): Promise<void> {
  const taken = await isAddressTaken(step.app.database, email);
  const letter = await beginToAwait(step, 'signup', { purpose: 'sign_up', email, payload, told: !taken });
  if (taken) await send(step, email, 'already_registered', { person: email });
  else await send(step, email, 'sign_up', letter);
  goTo(step, 'signup/code');
}

async function form(step: Step, typed: Typed, problems: SignUpProblem[] = []): Promise<void> {
  await showPage(step, 'interaction/signup', { ...(await offersOf(step)), ...typed, problems }, problems.length ? 400 : 200);
}
