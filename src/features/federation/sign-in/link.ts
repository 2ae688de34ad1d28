import { owesFactor, type Shown } from '../../../oauth/session/strength.ts';
import { findAccount } from '../../../people/store.ts';
import { alarmTo } from '../../../sign-in/note.ts';
import type { Step } from '../../../sign-in/step.ts';
import { linkIdentity } from '../linking.ts';
import { linkedEvent, obstacle, type PendingIdentity, pendingOf, type SealedIdentity, sealedOf } from './pending.ts';

/**
 * Owns the link that a sign-in proves: somebody came back from a provider with an address that an account here has, and has now signed in
 * to that very account in the same interaction, with all that it asks for. Anybody else's sign-in links nothing.
 */

/** @param login with what somebody is about to be signed in. @returns what still waits, since a further factor is owed first. */
export async function linkAfterSignIn(step: Step, login: Shown & { accountId: string }): Promise<SealedIdentity | undefined> {
  const pending = pendingOf(step);
  if (pending?.accountId !== login.accountId) return undefined;
  if (await owesFactor(step.services.database, login)) return sealedOf(step);
  if (!(await link(step, pending, login.accountId)))
    step.ctx.state.logged = { ...step.ctx.state.logged, reason: `upstream ${pending.providerId} could not be linked any more` };
  return undefined;
}

/** @returns false when it is somebody's meanwhile, or the person has another: they are signed in all the same. */
async function link(step: Step, pending: PendingIdentity, accountId: string): Promise<boolean> {
  const { services } = step;
  const account = await findAccount(services.database, accountId);
  if (!account || (await obstacle(services, pending, accountId))) return false;
  const about = { provider: pending.providerName, change: 'linked' } as const;
  const outcome = await linkIdentity(services, {
    accountId,
    brought: pending,
    along: () => [linkedEvent(step.ctx, pending, accountId), ...alarmTo(step, account, 'identity_changed', 'identity_linked', about)],
  });
  return outcome === 'linked' || outcome === 'kept';
}
