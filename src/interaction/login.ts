import { normalizeEmail, verifyCredentials } from '../accounts/store.ts';
import { forgive, LIMITS, limitRate, takeBack } from '../http/rate-limit.ts';
import { visitorOf } from '../http/visitor.ts';
import { finishSignIn } from './finish.ts';
import { note } from './note.ts';
import { passkeyOf } from './passkey.ts';
import { type Step, showPage } from './step.ts';

/** Owns the sign-in page. Does not decide whether sign-in is needed: see interaction-policy.ts. */

export async function showLogin(step: Step): Promise<void> {
  const hint = step.interaction.params['login_hint'];
  await showPage(step, 'interaction/login', { email: typeof hint === 'string' ? hint : '', passkey: passkeyOf(step) });
}

/** @throws AppError 429 after too many failures, without a look at the password; 503 when too many are signing in at once. */
export async function submitLogin(step: Step, form: URLSearchParams): Promise<void> {
  const { database } = step.services;
  const email = form.get('email') ?? '';
  const [account, network] = [normalizeEmail(email), visitorOf(step.ctx).address];
  // Before the password is looked at, and the network first: one that is refused must not use up what an account has.
  await limitRate(database, LIMITS.passwordFromNetwork, network);
  await limitRate(database, LIMITS.passwordOfAccount, account);
  const verdict = await verifyCredentials(database, email, form.get('password') ?? '');
  if (!verdict.ok) {
    await note(step, { type: 'sign_in_failed', ...(verdict.accountId ? { accountId: verdict.accountId } : undefined) });
    // One sentence for an unknown address and a wrong password: which it was is nobody's business (OWASP authentication).
    return showPage(step, 'interaction/login', { email, failed: true, passkey: passkeyOf(step) }, 401);
  }
  await forgive(database, LIMITS.passwordOfAccount, account);
  await takeBack(database, LIMITS.passwordFromNetwork, network);
  await finishSignIn(step, verdict.account, { method: 'password', amr: ['pwd'] });
}
