import { owesFactor, type Shown } from '../../../oauth/session/strength.ts';
import { findAccount } from '../../../people/store.ts';
import { alarmTo } from '../../../sign-in/note.ts';
import type { Step } from '../../../sign-in/step.ts';
import { linkIdentity } from '../linking.ts';
import { linkedEvent, obstacle, type PendingIdentity, pendingOf, type SealedIdentity, sealedOf } from './pending.ts';

/**
 * Owns the link that a sign-in proves. The user returned from a provider with the address of an account here. The user then signed in to
 * that account in the same interaction, with every required factor. A sign-in to another account links nothing.
 */

/**
 * @param login the account about to be signed in, and its proofs. @returns the identity that still waits, because a second factor comes
 * first.
 */
export async function linkAfterSignIn(step: Step, login: Shown & { accountId: string }): Promise<SealedIdentity | undefined> {
  const pending = pendingOf(step);
  if (pending?.accountId !== login.accountId) return undefined;
  if (await owesFactor(step.app.database, login)) return sealedOf(step);
  if (!(await link(step, pending, login.accountId)))
    step.ctx.state.logged = { ...step.ctx.state.logged, reason: `upstream ${pending.providerId} could not be linked any more` };
  return undefined;
}

/** @returns false when another account has the identity by now, or this account has a different one. The user is signed in anyway. */
async function link(step: Step, pending: PendingIdentity, accountId: string): Promise<boolean> {
  const { app } = step;
  const account = await findAccount(app.database, accountId);
  if (!account || (await obstacle(app, pending, accountId))) return false;
  const about = { provider: pending.providerName, change: 'linked' } as const;
  const outcome = await linkIdentity(app, {
    accountId,
    brought: pending,
    along: () => [linkedEvent(step.ctx, pending, accountId), ...alarmTo(step, account, 'identity_changed', 'identity_linked', about)],
  });
  return outcome === 'linked' || outcome === 'kept';
}
