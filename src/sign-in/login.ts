import { countPasswordTry, forgivingPasswordTry } from '../http/password-tries.ts';
import { write } from '../oauth/store/unit-of-work.ts';
import { normalizeEmail } from '../people/email-address.ts';
import { findUser, verifyCredentials } from '../people/store.ts';
import { awaited } from './awaiting.ts';
import { knownHere } from './devices.ts';
import { finishSignIn } from './finish.ts';
import { recordStepEvent } from './note.ts';
import { goTo, type Step, showPage } from './step.ts';

/** Owns the sign-in page. Does not decide whether sign-in is needed: see interaction-policy.ts. */

/** @param notice the notice above the form: see views/interaction/upstream-notice.eta. */
export async function showLogin(step: Step, notice: Record<string, unknown> = {}): Promise<void> {
  await page(step, notice);
}

/** @throws AppError 429 after too many failures, before the password is verified; 503 when too many users sign in at once. */
export async function submitLogin(step: Step, form: URLSearchParams): Promise<void> {
  if (form.get('decision') === 'leave') {
    for (const feature of step.app.features) await feature.leaveOffer?.(step);
    return goTo(step, 'login');
  }
  const email = form.get('email') ?? '';
  const { database } = step.app;
  const made = { ctx: step.ctx, database, account: normalizeEmail(email), device: await knownHere(step, email) };
  const [user] = await Promise.all([findUser(database, email), countPasswordTry(made)]);
  const verdict = await verifyCredentials(database, user, form.get('password') ?? '');
  if (!verdict.ok) {
    await recordStepEvent(step, { type: 'sign_in_failed', ...(verdict.accountId ? { accountId: verdict.accountId } : undefined) });
    // An unknown address and a wrong password get the same sentence, so it does not reveal which accounts exist (OWASP Authentication Cheat
    // Sheet).
    return page(step, { email, failed: true }, 401);
  }
  for (const [n, statement] of forgivingPasswordTry(made).entries())
    await write(database, { purpose: 'keep', subject: `tries ${n} of ${made.account}`, statement });
  await finishSignIn(step, verdict.account, { method: 'password', amr: ['pwd'] });
}

async function page(step: Step, shown: Record<string, unknown>, status = 200): Promise<void> {
  const hint = step.interaction.params['login_hint'];
  const email = awaited(step, 'sign_up')?.email ?? (typeof hint === 'string' ? hint : '');
  await showPage(step, 'interaction/login', { email, ...(await offersOf(step)), ...shown }, status);
}

/** @returns what features offer besides the form on the sign-in and sign-up pages. */
export async function offersOf(step: Step): Promise<Record<string, unknown>> {
  const offers = await Promise.all(step.app.features.map((feature) => feature.offers?.(step)));
  return Object.assign({}, ...offers);
}
