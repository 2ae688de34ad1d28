import { recordEvent } from '../audit/events.ts';
import { visitorOf } from '../http/visitor.ts';
import { writeTogether } from '../oauth/store/unit-of-work.ts';
import { keepAccount } from '../people/profile.ts';
import { findAccount } from '../people/store.ts';
import { AppError } from '../platform/errors.ts';
import { finish } from './finish.ts';
import { type Step, showPage } from './step.ts';

/** Owns the page that cancels a scheduled account deletion. Does not decide whether one is scheduled: see interaction-policy.ts. */

export async function showRestore(step: Step): Promise<void> {
  const account = await findAccount(step.app.database, String(step.interaction.session?.accountId));
  if (!account?.deleteAfter) throw new AppError('interaction_expired', { status: 400, reason: 'nothing_to_take_back' });
  const shown = { account: { name: account.name, email: account.email }, deleteAfter: account.deleteAfter };
  await showPage(step, 'interaction/restore', shown);
}

/** `decision=keep` cancels the deletion; any other value changes nothing. */
export async function decideRestore(step: Step, form: URLSearchParams): Promise<void> {
  const { ctx, interaction, app } = step;
  if (form.get('decision') !== 'keep') return finish(step, { error: 'access_denied', error_description: 'the account is to be deleted' });
  const accountId = String(interaction.session?.accountId);
  const kept = await writeTogether(app.database, [
    { purpose: 'keep', once: true, statement: keepAccount(accountId) },
    { purpose: 'keep', statement: recordEvent(visitorOf(ctx), { type: 'deletion_taken_back', accountId }) },
  ]);
  // Without a change, the deletion already ran or another tab cancelled it. The authorization endpoint finds out which.
  await finish(step, kept ? { restore: {} } : {});
}
