import type { InteractionResults } from 'oidc-provider';
import { seeOther } from '../http/see-other.ts';
import { persist } from '../oauth/internals.ts';
import { BY_MAIL } from '../oauth/session/session-proofs.ts';
import type { Account } from '../people/store.ts';
import { epochSeconds, systemClock } from '../platform/clock.ts';
import type { Login } from './feature.ts';
import { tellOfNewDevice } from './new-device.ts';
import { note } from './note.ts';
import type { Step } from './step.ts';

/**
 * The one way out of a step: stores its result and sends the browser back to the authorization endpoint, which asks what is next.
 * The redirect is written by us rather than by the library's interactionFinished(), because that one answers at once,
 * before the unit of work has been written.
 * @param anew nothing of what earlier steps of this authorization found counts any more.
 */
export async function finish(step: Step, result: InteractionResults, { anew = false }: { anew?: boolean } = {}): Promise<void> {
  const { ctx, interaction } = step;
  const { login } = result;
  if (login) await endSessionOfAnother(step, String(login.accountId));
  const kept = login ? await tellFeatures(step, login as Login) : undefined;
  // Steps that come after it do not make a sign-in a later one.
  const dated = login ? { ...result, login: { ts: epochSeconds(systemClock.now()), ...login } } : result;
  interaction.result = anew || 'error' in result ? dated : { ...interaction.lastSubmission, ...dated, ...kept };
  await persist(interaction);
  seeOther(ctx, interaction.returnTo);
}

async function tellFeatures(step: Step, login: Login): Promise<Record<string, unknown>> {
  const kept = {};
  for (const feature of step.services.features) Object.assign(kept, await feature.afterSignIn?.(step, login));
  return kept;
}

/** How somebody proved who they are: for the record, and in the words of RFC 8176. */
export type Proven = {
  method: 'password' | 'sign_up' | 'reset' | 'passkey' | 'upstream';
  /** The id of the one that they came from. */
  provider?: string;
  amr: string[];
  acr?: string;
  /** The user read a mail to the account's address for it. */
  byMail?: boolean;
};

/** Ends a step with somebody signed in. A wish to sign up is fulfilled by that too: who has an account needs no other. */
export async function finishSignIn(step: Step, account: Account, { method, provider, byMail, ...shown }: Proven): Promise<void> {
  const { interaction } = step;
  const detail = { method, ...(provider ? { provider } : undefined) };
  // Whoever signed up or reset the password by mail read that mail a moment ago.
  const amr = byMail ? [...shown.amr, BY_MAIL] : shown.amr;
  await tellOfNewDevice(step, account, { method, ...(byMail && { byMail }) });
  await note(step, { type: 'signed_in', accountId: account.id, clientId: String(interaction.params['client_id']), detail });
  // The session that the interaction began in has ended with all others of the account: what is stored must not wait for it.
  if (method === 'reset' && interaction.session?.accountId === account.id) delete interaction.session;
  await finish(step, {
    login: { accountId: account.id, ...shown, amr },
    ...(interaction.prompt.name === 'create' ? { create: {} } : undefined),
  });
}

/**
 * A browser is one person's at a time: whoever signs in takes the place of the one before, whose session ends here. The library would
 * have them sign out by a form first, which without JavaScript is one more page to click through, and would take back what they allowed.
 */
async function endSessionOfAnother({ ctx, interaction, services: { provider } }: Step, accountId: string): Promise<void> {
  const session = await provider.Session.get(ctx as never);
  if (!session.accountId || session.accountId === accountId) return;
  await session.destroy();
  // The interaction began in that session, and goes on without it.
  delete interaction.session;
}
