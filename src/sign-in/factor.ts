import { recordEvent } from '../audit/events.ts';
import { forgive, LIMITS, limitRate } from '../http/rate-limit.ts';
import { visitorOf } from '../http/visitor.ts';
import type { Proofs } from '../oauth/session/session-proofs.ts';
import { askedOf, asksForPasskey, owesFactor, strengthened } from '../oauth/session/strength.ts';
import { factorsOf } from '../people/factors.ts';
import { useRecoveryCode } from '../people/recovery-codes.ts';
import { findAccount } from '../people/store.ts';
import { AppError } from '../platform/errors.ts';
import type { Verdict } from './feature.ts';
import { finish } from './finish.ts';
import { type Step, showPage } from './step.ts';

/**
 * Owns the page for a second factor: the user picks one of the account's factors, or enters a recovery code instead.
 * Does not decide whether a factor is needed: see interaction-policy.ts. The passkey form belongs to the passkeys feature.
 */

type FactorProblem = 'wrong' | 'reused' | 'wrong_recovery_code';

export async function showFactor(step: Step): Promise<void> {
  const session = await ownSession(step);
  const { database } = step.app;
  // The user set up and proved a factor in another tab in the meantime, so this session needs no further one.
  if (!(await owesFactor(database, session, askedOf(step.interaction.params)))) {
    const { amr, acr, loginTs } = session;
    return finish(step, {
      login: { accountId: String(session.accountId), ...(amr && { amr }), ...(acr && { acr }), ...(loginTs && { ts: loginTs }) },
    });
  }
  await page(step);
}

/** The form carries a code of the authenticator app, a recovery code, or `decision=leave`. */
export async function submitFactor(step: Step, form: URLSearchParams): Promise<void> {
  if (form.get('decision') === 'leave') return leave(step);
  return form.has('recovery_code') ? submitRecoveryCode(step, form.get('recovery_code') ?? '') : submitTotp(step, form.get('code') ?? '');
}

async function submitTotp(step: Step, code: string): Promise<void> {
  const { database } = step.app;
  const { accountId } = await ownSession(step);
  // Count the try before verifying the code, so that parallel requests cannot exceed the limit (CVE-2025-64102).
  await limitRate(database, LIMITS.totpOfAccount, accountId);
  const verdict = await verifyCode(step, accountId, code);
  if (!verdict.ok) return fail(step, accountId, 'totp', verdict.reason);
  await forgive(database, LIMITS.totpOfAccount, accountId);
  await goOn(step);
}

async function verifyCode({ app }: Step, accountId: string, code: string): Promise<Verdict> {
  for (const feature of app.features) if (feature.verifyFactorCode) return feature.verifyFactorCode(app, accountId, code);
  return { ok: false, reason: 'wrong' };
}

async function submitRecoveryCode(step: Step, code: string): Promise<void> {
  const { database, keyRing } = step.app;
  const { accountId } = await ownSession(step);
  await limitRate(database, LIMITS.recoveryCodeOfAccount, accountId);
  if (!(await useRecoveryCode(database, keyRing, accountId, code))) return fail(step, accountId, 'recovery_code', 'wrong_recovery_code');
  await forgive(database, LIMITS.recoveryCodeOfAccount, accountId);
  await database.change(recordEvent(visitorOf(step.ctx), { type: 'recovery_code_used', accountId }));
  await goOn(step);
}

async function goOn(step: Step): Promise<void> {
  const { accountId, loginTs, ...session } = await ownSession(step);
  // A code does not make an older sign-in recent: a client that sends max_age expects the password again.
  const justSignedIn = step.interaction.lastSubmission?.login !== undefined;
  await finish(step, {
    login: { accountId, ...strengthened(session, 'otp'), ...(justSignedIn || loginTs === undefined ? undefined : { ts: loginTs }) },
  });
}

async function fail(step: Step, accountId: string, factor: string, problem: FactorProblem): Promise<void> {
  step.ctx.state.logged = { ...step.ctx.state.logged, reason: `${factor} ${problem}` };
  step.app.counts.add('sign_in_failed', 'factor');
  await step.app.database.change(recordEvent(visitorOf(step.ctx), { type: 'factor_failed', accountId, detail: { factor } }));
  await page(step, problem, 401);
}

/** Returns to the client without a second factor, with a standard error (RFC 9470 section 5; RFC 6749 section 4.1.2.1). */
async function leave(step: Step): Promise<void> {
  const { unmet } = await within(step);
  await finish(
    step,
    unmet
      ? { error: 'unmet_authentication_requirements', error_description: 'the account has no factor that reaches what was asked for' }
      : { error: 'access_denied', error_description: 'the person showed no further factor' },
  );
}

/** @returns which of the account's factors satisfy the request; `unmet` when none does. */
async function within({ interaction, app: { database } }: Step) {
  const factors = await factorsOf(database, String(interaction.session?.accountId));
  const passkeyOnly = asksForPasskey(askedOf(interaction.params));
  const passkey = factors.passkeys.length > 0;
  const totp = factors.totpSince !== undefined && !passkeyOnly;
  return { passkey, totp, recoveryCode: Boolean(factors.recoveryCodesLeft) && !passkeyOnly, passkeyOnly, unmet: !passkey && !totp };
}

async function page(step: Step, problem?: FactorProblem, status = 200): Promise<void> {
  const { interaction, app } = step;
  const [account, ways] = await Promise.all([findAccount(app.database, String(interaction.session?.accountId)), within(step)]);
  if (!account) throw new AppError('interaction_expired', { status: 400, reason: 'account_gone' });
  const shown = {
    ...ways,
    ...offersOf(step, ways),
    problem,
    account: { name: account.name, email: account.email },
  };
  await showPage(step, 'interaction/factor', shown, status);
}

function offersOf(step: Step, ways: { passkey: boolean }): Record<string, unknown> {
  return ways.passkey ? Object.assign({}, ...step.app.features.map((feature) => feature.factorOffer?.(step))) : {};
}

/**
 * @returns the session that this interaction began with. @throws AppError when this browser has since signed out or signed in to another
 * account.
 */
async function ownSession({ ctx, interaction, app: { provider } }: Step) {
  const session = await provider.Session.get(ctx as never);
  const { accountId, uid, amr, acr, loginTs, enrolled } = session as typeof session & Proofs;
  if (!accountId || accountId !== interaction.session?.accountId || uid !== interaction.session.uid)
    throw new AppError('interaction_expired', { status: 400, reason: 'session_of_another' });
  return { accountId, amr, acr, loginTs, enrolled };
}
