import { listSignInProviders } from '../features/federation/providers.ts';
import { forget, pendingOf } from '../features/federation/sign-in/pending.ts';
import { passkeyOf } from '../features/passkeys/sign-in.ts';
import { countPasswordTry, forgivePasswordTry } from '../http/password-tries.ts';
import { displayName } from '../oauth/clients/display-name.ts';
import { normalizeEmail } from '../people/email-address.ts';
import { verifyCredentials } from '../people/store.ts';
import { awaited } from './awaiting.ts';
import { finishSignIn } from './finish.ts';
import { knownHere } from './known-here.ts';
import { note } from './note.ts';
import { goTo, type Step, showPage } from './step.ts';

/** Owns the sign-in page. Does not decide whether sign-in is needed: see interaction-policy.ts. */

/** @param upstream why a sign-in by a provider came to nothing: see upstream.ts. */
export async function showLogin(step: Step, upstream?: { problem: string; provider: string | undefined }): Promise<void> {
  const hint = step.interaction.params['login_hint'];
  const email = pendingLink(step)?.email ?? awaited(step, 'sign_up')?.email ?? (typeof hint === 'string' ? hint : '');
  await page(step, { email, upstream });
}

/** @throws AppError 429 after too many failures, without a look at the password; 503 when too many are signing in at once. */
export async function submitLogin(step: Step, form: URLSearchParams): Promise<void> {
  if (form.get('decision') === 'leave') {
    await forget(step);
    return goTo(step, 'login');
  }
  const email = form.get('email') ?? '';
  const { database } = step.services;
  const made = { ctx: step.ctx, database, account: normalizeEmail(email), device: await knownHere(step, email) };
  await countPasswordTry(made);
  const verdict = await verifyCredentials(database, email, form.get('password') ?? '');
  if (!verdict.ok) {
    await note(step, { type: 'sign_in_failed', ...(verdict.accountId ? { accountId: verdict.accountId } : undefined) });
    // One sentence for an unknown address and a wrong password: which it was is nobody's business (OWASP authentication).
    return page(step, { email, failed: true }, 401);
  }
  await forgivePasswordTry(made);
  await finishSignIn(step, verdict.account, { method: 'password', amr: ['pwd'] });
}

async function page(step: Step, shown: Record<string, unknown>, status = 200): Promise<void> {
  const link = pendingLink(step);
  const providers = await offered(step);
  await showPage(step, 'interaction/login', { ...shown, link, providers, passkey: passkeyOf(step) }, status);
}

/** The providers to sign in by, as `views/interaction/providers.eta` shows them. */
export async function offered({ services: { database } }: Step): Promise<{ id: string; name: string }[]> {
  return (await listSignInProviders(database)).map(({ id, name }) => ({ id, name: displayName(name, id) }));
}

/** What signing in to the account of this address will link. */
function pendingLink(step: Step): { provider: string; email: string } | undefined {
  const pending = pendingOf(step);
  if (!pending?.accountId) return undefined;
  return { provider: displayName(pending.providerName, pending.providerId), email: pending.details.email ?? '' };
}
