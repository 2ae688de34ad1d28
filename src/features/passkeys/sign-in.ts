import { recordEvent } from '../../audit/events.ts';
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
 * Owns passkeys on the pages of an authorization: as a replacement for the password, where one counts as two factors, and as a second
 * factor. The page works without its script, which submits an ordinary form.
 */

/** @returns the data of `views/interaction/passkey.eta`. @param autofill whether the browser may offer a passkey in the address field. */
export function passkeyOf({ ctx, interaction, csrf }: Step, { autofill = true } = {}) {
  allowOwnRequests(ctx);
  return { action: `/interaction/${interaction.uid}/passkey`, csrf, autofill, failed: ctx.state.passkeyFailed === true };
}

/** Answers the page's script with the options of the sign-in. */
export async function offerPasskey({ ctx, interaction, app: { database, config } }: Step): Promise<void> {
  const challenge = newChallenge(config.cookieKeys, subject(interaction));
  ctx.set('Cache-Control', 'no-store');
  ctx.body = await signInOptions(database, config.issuer, challenge, signedInAs(interaction));
}

/** @param show renders the page that offered the passkey, for a refused one. */
export async function submitPasskey(step: Step, form: URLSearchParams, show: (step: Step) => Promise<void>): Promise<void> {
  const { ctx, interaction, app } = step;
  const { database, config } = app;
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
    // The language switch leads to the page, not to this form.
    ctx.state.pagePath = `/interaction/${interaction.uid}`;
    step.app.counts.add('sign_in_failed', expected ? 'factor' : 'passkey');
    if (expected)
      await database.change(recordEvent(visitor, { type: 'factor_failed', accountId: expected, detail: { factor: 'passkey' } }));
    await show(step);
    ctx.status = 401;
    return;
  }
  await takeBack(database, LIMITS.passkeyFromNetwork, visitor.address);
  const shown = expected ? strengthened(interaction.session as { amr?: string[]; acr?: string }, 'passkey') : BY_PASSKEY;
  await finishSignIn(step, account, { method: 'passkey', ...shown });
}

/** Binds a challenge to one interaction and one prompt. */
const subject = ({ uid, prompt }: Step['interaction']) => `interaction ${uid} ${prompt.name}`;

/** As a second factor, the passkey must belong to the signed-in account. At sign-in, the passkey itself identifies the account. */
const signedInAs = ({ prompt, session }: Step['interaction']) => (prompt.name === 'factor' ? session?.accountId : undefined);
