import { auditEvent } from '../../audit/events.ts';
import { LIMITS, limitRate, takeBack } from '../../http/rate-limit.ts';
import { allowOwnRequests } from '../../http/security-headers.ts';
import { visitorOf } from '../../http/visitor.ts';
import { BY_PASSKEY, strengthened } from '../../oauth/session/strength.ts';
import { findAccount } from '../../people/store.ts';
import { finishSignIn } from '../../sign-in/finish.ts';
import type { Step } from '../../sign-in/step.ts';
import { newChallenge, spendChallenge } from './challenges.ts';
import { signInOptions, verifyPasskey } from './passkeys.ts';

/**
 * Owns the passkey on the pages of an authorization: in place of the password, where it is both factors at once, and on top of it.
 * The page works without; what its script brings is a form like any other.
 */

/** What `views/interaction/passkey.eta` needs, on whichever page it stands. @param autofill whether the browser may offer one by itself. */
export function passkeyOf({ ctx, interaction, csrf }: Step, { autofill = true } = {}) {
  allowOwnRequests(ctx);
  return { action: `/interaction/${interaction.uid}/passkey`, csrf, autofill, failed: ctx.state.passkeyFailed === true };
}

/** Answers the page's script with what the browser is to sign. */
export async function offerPasskey({ ctx, interaction, services: { database, config } }: Step): Promise<void> {
  const challenge = newChallenge(config.cookieKeys, subject(interaction));
  ctx.set('Cache-Control', 'no-store');
  ctx.body = await signInOptions(database, config.issuer, challenge, signedInAs(interaction));
}

/** @param show the page that the passkey was shown on, for when it does not fit. */
export async function submitPasskey(step: Step, form: URLSearchParams, show: (step: Step) => Promise<void>): Promise<void> {
  const { ctx, interaction, services } = step;
  const { database, config } = services;
  const visitor = visitorOf(ctx);
  await limitRate(database, LIMITS.passkeyFromNetwork, visitor.address);
  const expected = signedInAs(interaction);
  const verdict = await verifyPasskey(database, config.issuer, {
    answer: form.get('credential') ?? '',
    spend: (challenge) => spendChallenge(database, config.cookieKeys, subject(interaction), challenge),
    accountId: expected,
  });
  const account = verdict.ok ? await findAccount(database, verdict.accountId) : undefined;
  if (!account) {
    ctx.state.logged = { ...ctx.state.logged, reason: verdict.ok ? 'account_disabled' : verdict.reason };
    ctx.state.passkeyFailed = true;
    // A switch of language leads to the page, not to this form.
    ctx.state.pagePath = `/interaction/${interaction.uid}`;
    step.services.counts.add('sign_in_failed', expected ? 'factor' : 'passkey');
    if (expected) await database.change(auditEvent(visitor, { type: 'factor_failed', accountId: expected, detail: { factor: 'passkey' } }));
    await show(step);
    ctx.status = 401;
    return;
  }
  await takeBack(database, LIMITS.passkeyFromNetwork, visitor.address);
  const shown = expected ? strengthened(interaction.session as { amr?: string[]; acr?: string }, 'passkey') : BY_PASSKEY;
  await finishSignIn(step, account, { method: 'passkey', ...shown });
}

/** A challenge fits one interaction in one step. */
const subject = ({ uid, prompt }: Step['interaction']) => `interaction ${uid} ${prompt.name}`;

/** Whose passkey it has to be: where one is shown on top, that of who is signed in. At sign-in the passkey itself says who. */
const signedInAs = ({ prompt, session }: Step['interaction']) => (prompt.name === 'factor' ? session?.accountId : undefined);
