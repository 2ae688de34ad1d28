import { recordEvent } from '../../../audit/events.ts';
import { languageOf } from '../../../http/language.ts';
import type { Problem } from '../../../http/problem.ts';
import { visitorOf } from '../../../http/visitor.ts';
import { displayName } from '../../../oauth/clients/display-name.ts';
import { writeTogether } from '../../../oauth/store/unit-of-work.ts';
import { emailProblem, normalizeEmail } from '../../../people/email-address.ts';
import { nameFault, tidyName } from '../../../people/names.ts';
import { insertProvenAccount } from '../../../people/sign-up.ts';
import { findAccount } from '../../../people/store.ts';
import { timeOrderedId } from '../../../platform/secrets.ts';
import { isUniqueViolation } from '../../../platform/sql-errors.ts';
import { limitLetters } from '../../../sign-in/awaiting.ts';
import { finishSignIn } from '../../../sign-in/finish.ts';
import { ask } from '../../../sign-in/signup.ts';
import { goTo, type Step, showPage } from '../../../sign-in/step.ts';
import { linkingOf, obstacle, type PendingIdentity, pendingOf, sealedOf, together } from './pending.ts';
import { provenAddress, receive } from './upstream.ts';

/**
 * Owns the end of a sign-up that began at a provider: the page shows the provider's claims, which are stored if the user agrees. A verified
 * address counts as proven. Any other address needs a proof by mail.
 */

type UpstreamSignUpProblem = Problem<'name' | 'email' | 'agree'>;
type Typed = { name: string; email: string; agreed: boolean };

export async function showUpstreamSignUp(step: Step): Promise<void> {
  const pending = pendingOf(step);
  // The identity belongs to an existing account: the user must sign in to it.
  if (!pending || pending.accountId) return goTo(step, 'login');
  const { name, username, email } = pending.details;
  await page(step, pending, { name: tidyName(name ?? username ?? ''), email: email ?? '', agreed: false });
}

export async function submitUpstreamSignUp(step: Step, fields: URLSearchParams): Promise<void> {
  const pending = pendingOf(step);
  if (!pending || pending.accountId) return goTo(step, 'login');
  const proven = provenAddress(pending.details);
  const typed = {
    name: tidyName(fields.get('name') ?? ''),
    email: proven ?? fields.get('email') ?? '',
    agreed: fields.get('agree') === 'yes',
  };
  const problems: UpstreamSignUpProblem[] = [
    ...(nameFault(typed.name) ? [{ field: 'name', key: 'signup.name_problem' } as const] : []),
    ...(emailProblem(typed.email) ? [{ field: 'email', key: 'signup.email_problem' } as const] : []),
    ...(typed.agreed ? [] : [{ field: 'agree', key: 'upstream.agree_problem' } as const]),
  ];
  if (problems.length) return page(step, pending, typed, problems);
  // Since it arrived, another account linked it or an operator disabled the provider. The sign-in page says which.
  if (await obstacle(step.app, pending)) return receive(step, pending);
  if (proven !== undefined) return open(step, pending, { ...typed, email: proven });
  const email = normalizeEmail(typed.email);
  await limitLetters(step, 'sign_up', email);
  await ask(step, email, { name: typed.name, locale: languageOf(step.ctx), agreed: true, upstream: sealedOf(step) });
}

/** Creates the account with its link, or neither. */
async function open(step: Step, pending: PendingIdentity, { name, email }: Typed): Promise<void> {
  const { database } = step.app;
  const id = timeOrderedId();
  const [identity, ...more] = linkingOf(step, pending, id);
  const made = await writeTogether(database, [
    ...together([insertProvenAccount({ id, email, name, locale: languageOf(step.ctx) })]),
    ...together([identity, ...more, recordEvent(visitorOf(step.ctx), { type: 'signed_up', accountId: id })]),
  ]).catch((error) => {
    if (isUniqueViolation(error)) return false;
    throw error;
  });
  const account = made ? await findAccount(database, id) : undefined;
  // The address or the identity has an account by now: judge the arrival again.
  if (!account) return receive(step, pending);
  await finishSignIn(step, account, { method: 'sign_up', provider: pending.providerId, amr: ['fed'] });
}

async function page(step: Step, pending: PendingIdentity, typed: Typed, problems: UpstreamSignUpProblem[] = []): Promise<void> {
  const { termsUrl, privacyUrl } = step.app.config;
  const provider = displayName(pending.providerName, pending.providerId);
  const proven = provenAddress(pending.details) !== undefined;
  const shown = { ...typed, provider, proven, more: keptBeside(pending), termsUrl, privacyUrl, problems };
  await showPage(step, 'interaction/upstream-sign-up', shown, problems.length ? 400 : 200);
}

/** @returns what else the provider said that will be stored, so that users know what they agree to. */
function keptBeside({ details: { username, locale } }: PendingIdentity): { label: string; value: string }[] {
  return Object.entries({ username, locale }).flatMap(([label, value]) => (value ? [{ label, value: displayName(value, '—') }] : []));
}
