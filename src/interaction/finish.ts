import type { InteractionResults } from 'oidc-provider';
import type { Account } from '../accounts/store.ts';
import { note } from './note.ts';
import type { Step } from './step.ts';

/**
 * The one way out of a step: stores its result and sends the browser back to the authorization endpoint, which asks what is next.
 * The redirect is written by us rather than by the library's interactionFinished(), because that one answers at once,
 * before the unit of work has been written.
 */
export async function finish({ ctx, services: { provider } }: Step, result: InteractionResults): Promise<void> {
  const returnTo = await provider.interactionResult(ctx.req, ctx.res, result, { mergeWithLastSubmission: true });
  resume(ctx, returnTo);
}

function resume(ctx: Step['ctx'], returnTo: string): void {
  ctx.redirect(returnTo);
  // A redirect that answers a POST must become a GET (RFC 9700 section 4.12).
  ctx.status = 303;
  ctx.set('Cache-Control', 'no-store');
}

/** How somebody proved who they are: for the record, and in the words of RFC 8176. */
export type Proven = { method: 'password' | 'sign_up' | 'reset' | 'passkey'; amr: string[]; acr?: string };

/** Ends a step with somebody signed in. A wish to sign up is fulfilled by that too: who has an account needs no other. */
export async function finishSignIn(step: Step, account: Account, { method, ...shown }: Proven): Promise<void> {
  const { ctx, interaction } = step;
  await note(step, { type: 'signed_in', accountId: account.id, clientId: String(interaction.params['client_id']), detail: { method } });
  const result = { login: { accountId: account.id, ...shown }, ...(interaction.prompt.name === 'create' ? { create: {} } : undefined) };
  if (method !== 'reset' || interaction.session?.accountId !== account.id) return finish(step, result);
  // The session that the interaction began in ends with all others of the account: what is stored must not wait for it.
  Object.assign(interaction, { session: undefined, result: { ...interaction.lastSubmission, ...result } });
  await interaction.persist();
  resume(ctx, interaction.returnTo);
}
