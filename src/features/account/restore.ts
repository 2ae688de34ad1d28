import { interactionPolicy } from 'oidc-provider';
import { recordEvent } from '../../audit/events.ts';
import { visitorOf } from '../../http/visitor.ts';
import type { SignedInAccount } from '../../oauth/session/accounts.ts';
import { writeTogether } from '../../oauth/store/unit-of-work.ts';
import { findAccount } from '../../people/store.ts';
import { AppError } from '../../platform/errors.ts';
import { finish } from '../../sign-in/finish.ts';
import { useAnotherAccount } from '../../sign-in/select-account.ts';
import { type PromptPages, type Step, showPage } from '../../sign-in/step.ts';
import { keepAccount } from './grace.ts';

/** Owns the prompt and the page that cancel a scheduled account deletion, between sign-in and consent. */

const { Check, Prompt } = interactionPolicy;

/** A user of an account that is scheduled for deletion can only cancel the deletion. */
export const restorePrompt = () =>
  new Prompt(
    { name: 'restore', requestable: false },
    new Check(
      'deletion_scheduled',
      'the account is to be deleted',
      ({ oidc }) => (oidc.account as SignedInAccount | undefined)?.toBeDeleted === true,
    ),
  );

export const RESTORE_PAGES: PromptPages = {
  first: 'restore',
  pages: { restore: { show: showRestore, answer: decideRestore }, 'another-account': { answer: useAnotherAccount } },
};

async function showRestore(step: Step): Promise<void> {
  const account = await findAccount(step.app.database, String(step.interaction.session?.accountId));
  if (!account?.deleteAfter) throw new AppError('interaction_expired', { status: 400, reason: 'nothing_to_take_back' });
  const shown = { account: { name: account.name, email: account.email }, deleteAfter: account.deleteAfter };
  await showPage(step, 'interaction/restore', shown);
}

/** `decision=keep` cancels the deletion; any other value changes nothing. */
async function decideRestore(step: Step, form: URLSearchParams): Promise<void> {
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
