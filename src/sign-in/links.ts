import type { Context } from 'koa';
import { assertOurForm, csrfToken } from '../http/csrf.ts';
import { readForm } from '../http/form.ts';
import { render } from '../http/render.ts';
import { allowFormAction } from '../http/security-headers.ts';
import type { App } from '../oauth/app.ts';
import { changedApart } from '../oauth/store/unit-of-work.ts';
import { passwordProblem } from '../people/password-policy.ts';
import { hashPassword } from '../people/passwords.ts';
import { findProof, handleOf, type Proof, type Purpose, proveByLink } from '../people/proofs.ts';
import { confirmElsewhere, type SignUpProblem, type SignUpWish } from '../people/sign-up.ts';
import { AppError } from '../platform/errors.ts';
import { awaited } from './awaiting.ts';
import type { SignInFeature } from './feature.ts';
import { finishSignIn } from './finish.ts';
import { newPasswordProblems, openingsOf, resetPassword } from './reset.ts';
import { pressedBefore } from './second-press.ts';
import { broughtTo, goOn, makeAccount } from './signup.ts';
import { goTo, type Step } from './step.ts';

/**
 * Owns the links in our mails. Any browser may open them. Opening one changes nothing, since mail scanners open links too; only the form on
 * its page proves the address.
 * In the browser that requested the mail, the authorization continues. Another browser is not signed in, since a different user may have
 * requested the mail. There, the user chooses a password for a sign-up, and the requesting browser must sign in with it.
 */

/** A request for a mailed link. @param own this browser's interaction at this address, if it has one. */
export type LinkRequest = { ctx: Context; app: App<SignInFeature>; own: Step | undefined };

type Link = {
  purpose: Purpose;
  show(request: LinkRequest, proof: Proof, secret: string): Promise<void>;
  answer(request: LinkRequest, proof: Proof, secret: string, form: URLSearchParams): Promise<void>;
};

export const LINKS = new Map<string | undefined, Link>([
  ['signup', { purpose: 'sign_up', show: showConfirmation, answer: confirm }],
  ['reset', { purpose: 'reset_password', show: showNewPassword, answer: setNewPassword }],
]);

/** @throws AppError 400 `proof_gone` for a link that is used, expired, replaced or unknown. */
export async function showLink(request: LinkRequest, link: Link): Promise<void> {
  const secret = String(request.ctx.query['token'] ?? '');
  await link.show(request, await proofOf(request, link, secret), secret);
}

export async function answerLink(request: LinkRequest, link: Link): Promise<void> {
  const { ctx, app } = request;
  const form = await readForm(ctx);
  const secret = form.get('token') ?? '';
  assertOurForm(ctx, app.config.cookieKeys, csrfSubject(secret), form.get('csrf'), app.config.issuer);
  if (await pressedBefore(ctx, app, form)) return;
  await link.answer(request, await proofOf(request, link, secret), secret, form);
}

async function proofOf({ app }: LinkRequest, { purpose }: Link, secret: string): Promise<Proof> {
  const proof = await findProof(app.database, purpose, handleOf(secret));
  if (!proof) throw gone();
  return proof;
}

async function showConfirmation(request: LinkRequest, proof: Proof, secret: string): Promise<void> {
  if (proof.accountId) return alreadyConfirmed(request, proof);
  confirmation(request, proof, secret);
}

/**
 * In a browser other than the requesting one, the page asks for a password. It also drops the upstream identity that the requesting user
 * brought.
 */
function confirmation(request: LinkRequest, proof: Proof, secret: string, problems: SignUpProblem[] = []): void {
  const { name } = proof.payload as SignUpWish;
  const own = asks(request, proof) !== undefined;
  const linked = own ? broughtTo(request, proof)?.shown : undefined;
  const status = problems.length ? 400 : 200;
  page(request, 'interaction/confirm', { email: proof.email, name, linked, asksPassword: !own, problems }, secret, status);
}

async function confirm(request: LinkRequest, known: Proof, secret: string, form: URLSearchParams): Promise<void> {
  const { handle } = known;
  const { app } = request;
  if (known.accountId) return alreadyConfirmed(request, known);
  if (!asks(request, known)) return openElsewhere(request, known, secret, form.get('password') ?? '');
  // An earlier request proved the address but did not finish, so the account does not exist yet: use that proof.
  const proof = (await proveByLink(app.database, 'sign_up', secret)) ?? (await findProof(app.database, 'sign_up', handle));
  if (!proof) throw gone();
  const own = asks(request, proof);
  if (proof.accountId || !own) return alreadyConfirmed(request, proof);
  await goOn(own, proof);
}

async function openElsewhere(request: LinkRequest, known: Proof, secret: string, password: string): Promise<void> {
  const { name } = known.payload as SignUpWish;
  const key = passwordProblem(password, { name, email: known.email });
  if (key) return confirmation(request, known, secret, [{ field: 'password', key }]);
  const proof = await confirmElsewhere(request.app.database, secret, await hashPassword(password));
  if (!proof) throw gone();
  await makeAccount(request, proof);
  // Account creation runs in its own transaction.
  changedApart();
  render(request.ctx, 'interaction/elsewhere', { page: 'signup' });
}

/** The link was opened again: the requesting browser continues, any other browser learns that the link was used. */
async function alreadyConfirmed(request: LinkRequest, proof: Proof): Promise<void> {
  const own = asks(request, proof);
  if (own) return goTo(own, 'signup/code');
  throw gone();
}

async function showNewPassword(request: LinkRequest, proof: Proof, secret: string): Promise<void> {
  await newPassword(request, proof, secret, []);
}

async function newPassword(
  request: LinkRequest,
  proof: Proof,
  secret: string,
  keep: string[],
  problems: SignUpProblem[] = [],
): Promise<void> {
  const openings = await openingsOf(request, proof, keep);
  const shown = { page: 'reset/link', email: proof.email, openings, problems };
  page(request, 'interaction/new-password', shown, secret, problems.length ? 400 : 200);
}

async function setNewPassword(request: LinkRequest, proof: Proof, secret: string, form: URLSearchParams): Promise<void> {
  const password = form.get('password') ?? '';
  const problems = await newPasswordProblems(request, proof, password);
  const keep = form.getAll('keep');
  if (problems.length) return newPassword(request, proof, secret, keep, problems);
  const own = asks(request, proof);
  const account = await resetPassword(request, proof, { password, keep }, 'link');
  if (own) return finishSignIn(own, account, { method: 'reset', byMail: true, amr: ['pwd'] });
  render(request.ctx, 'interaction/elsewhere', { page: 'reset' });
}

/** @returns this browser's interaction if it waits for this proof. */
function asks({ own }: LinkRequest, proof: Proof): Step | undefined {
  return own && awaited(own, proof.purpose)?.handle === proof.handle ? own : undefined;
}

function page({ ctx, app, own }: LinkRequest, view: string, data: Record<string, unknown>, secret: string, status = 200): void {
  if (own) allowFormAction(ctx, String(own.interaction.params['redirect_uri']));
  // The language switch leads back here, with the secret.
  Object.assign(ctx.state, { pagePath: ctx.path, pageQuery: new URLSearchParams({ token: secret }).toString() });
  const csrf = csrfToken(app.config.cookieKeys, csrfSubject(secret));
  render(ctx, view, { ...data, base: ctx.path.split('/').slice(0, 3).join('/'), token: secret, csrf }, status);
}

const gone = () => new AppError('proof_gone', { status: 400, reason: 'proof_used_expired_or_unknown' });

const csrfSubject = (secret: string) => `proof ${handleOf(secret)}`;
