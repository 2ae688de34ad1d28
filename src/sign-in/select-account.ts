import { languageOf } from '../http/language.ts';
import { render } from '../http/render.ts';
import { allowFormAction } from '../http/security-headers.ts';
import { displayName, nameOfClient } from '../oauth/clients/display-name.ts';
import { ANOTHER_ACCOUNT, SAME_ACCOUNT } from '../oauth/session/account-choice.ts';
import { findAccount } from '../people/store.ts';
import { AppError } from '../platform/errors.ts';
import { finish } from './finish.ts';
import type { Step } from './step.ts';

/** Owns the choice between the signed-in account and another one. Does not decide whether to ask: see oauth/session/account-choice.ts. */

/** Shows the page of `prompt=select_account`. */
export async function showAccounts({ ctx, interaction, csrf, app }: Step): Promise<void> {
  const [client, account] = await Promise.all([
    app.provider.Client.find(String(interaction.params['client_id'])),
    findAccount(app.database, String(interaction.session?.accountId)),
  ]);
  if (!account || !client) throw new AppError('interaction_expired', { status: 400, reason: 'account_or_client_gone' });
  if (typeof interaction.params['redirect_uri'] === 'string') allowFormAction(ctx, interaction.params['redirect_uri']);
  render(ctx, 'interaction/select-account', {
    csrf,
    action: `/interaction/${interaction.uid}/select_account`,
    account: { name: displayName(account.name, account.username), email: account.email },
    clientName: nameOfClient(client, languageOf(ctx)),
  });
}

export async function chooseAccount(step: Step, form: URLSearchParams): Promise<void> {
  if (form.get('account') === 'another') return useAnotherAccount(step);
  if (form.get('account') !== 'same') return showAccounts(step);
  await finish(step, SAME_ACCOUNT);
}

/**
 * "Not you?": leads to the sign-in page and then back to this authorization. The current session lasts until another user signs in. Earlier
 * answers of this authorization came from another user, so they are discarded.
 */
export async function useAnotherAccount(step: Step): Promise<void> {
  await finish(step, ANOTHER_ACCOUNT, { restart: true });
}
