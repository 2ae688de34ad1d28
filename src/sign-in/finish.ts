import type { InteractionResults } from 'oidc-provider';
import { seeOther } from '../http/redirects.ts';
import { persist } from '../oauth/internals.ts';
import { BY_MAIL } from '../oauth/session/session-proofs.ts';
import type { Account } from '../people/store.ts';
import { epochSeconds, systemClock } from '../platform/clock.ts';
import { mailNewDevice } from './devices.ts';
import type { Login } from './feature.ts';
import { recordStepEvent } from './note.ts';
import type { Step } from './step.ts';

/**
 * Ends a step: stores its result and redirects the browser to the authorization endpoint, which asks the policy what is next.
 * The library's interactionFinished() would respond before the unit of work is written, so this function writes the redirect itself.
 * @param restart discards the results of earlier steps of this authorization.
 */
export async function finish(step: Step, result: InteractionResults, { restart = false }: { restart?: boolean } = {}): Promise<void> {
  const { ctx, interaction } = step;
  const { login } = result;
  if (login) await endSessionOfAnother(step, String(login.accountId));
  const kept = login ? await callFeatures(step, login as Login) : undefined;
  // Keep the time of the sign-in itself: a later step must not make it look more recent.
  const dated = login ? { ...result, login: { ts: epochSeconds(systemClock.now()), ...login } } : result;
  interaction.result = restart || 'error' in result ? dated : { ...interaction.lastSubmission, ...dated, ...kept };
  await persist(interaction);
  seeOther(ctx, interaction.returnTo);
}

async function callFeatures(step: Step, login: Login): Promise<Record<string, unknown>> {
  const kept = {};
  for (const feature of step.app.features) Object.assign(kept, await feature.afterSignIn?.(step, login));
  return kept;
}

/** How the user proved the identity. `method` goes into the audit event; `amr` uses the values of RFC 8176. */
export type Proven = {
  method: 'password' | 'sign_up' | 'reset' | 'passkey' | 'upstream';
  /** The id of the identity provider, for `upstream`. */
  provider?: string;
  amr: string[];
  acr?: string;
  /** The user proved it with a mail to the account's address. */
  byMail?: boolean;
};

/** Ends a step with the user signed in. This also satisfies `prompt=create`, since the user now has an account. */
export async function finishSignIn(step: Step, account: Account, { method, provider, byMail, ...shown }: Proven): Promise<void> {
  const { interaction } = step;
  const detail = { method, ...(provider ? { provider } : undefined) };
  // A sign-up and a reset by mail prove that the user just read that mail.
  const amr = byMail ? [...shown.amr, BY_MAIL] : shown.amr;
  await mailNewDevice(step, account, { method, ...(byMail && { byMail }) });
  await recordStepEvent(step, { type: 'signed_in', accountId: account.id, clientId: String(interaction.params['client_id']), detail });
  // The reset ended every session of the account, also the one this interaction began in. The stored result must not depend on it.
  if (method === 'reset' && interaction.session?.accountId === account.id) delete interaction.session;
  await finish(step, {
    login: { accountId: account.id, ...shown, amr },
    ...(interaction.prompt.name === 'create' ? { create: {} } : undefined),
  });
}

/**
 * A browser belongs to one user at a time: a sign-in ends the session of the previous user here. The library would ask that user to sign
 * out with a form, which is an extra page without JavaScript, and would revoke the user's grants.
 */
async function endSessionOfAnother({ ctx, interaction, app: { provider } }: Step, accountId: string): Promise<void> {
  const session = await provider.Session.get(ctx as never);
  if (!session.accountId || session.accountId === accountId) return;
  await session.destroy();
  // The interaction began in the ended session and continues without it.
  delete interaction.session;
}
