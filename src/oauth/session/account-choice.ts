import { decodeJwt } from 'jose';
import { errors, type InteractionResults, interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider';

/**
 * Owns which account an authorization continues with: the signed-in one or another (`prompt=select_account`, `id_token_hint`, "Not you?").
 * @see OpenID Connect Core sections 3.1.2.1 and 3.1.2.3
 */

const { Check, Prompt } = interactionPolicy;

/** The interaction's result after the user chose an account. */
export type AccountChoice = { another: boolean };

/** The result when the user asks for another account. Earlier results of this interaction do not count, because another user gave them. */
export const ANOTHER_ACCOUNT = { select_account: { another: true } satisfies AccountChoice } as InteractionResults;

export const SAME_ACCOUNT = { select_account: { another: false } satisfies AccountChoice } as InteractionResults;

/** A check of the login prompt: the user asked for another account and has not signed in to one yet. */
export const anotherAccount = () =>
  new Check(
    'another_account',
    'the person wants to go on with another account',
    'login_required',
    ({ oidc: { result } }) => (result?.['select_account'] as AccountChoice | undefined)?.another === true && !result?.login,
  );

/**
 * A check of the login prompt: the client names the account that it expects. A user who is signed in as another may sign in as that account
 * once.
 * If the account still differs, the client gets `login_required`, so that the user is not asked repeatedly (section 3.1.2.1,
 * id_token_hint).
 */
export const expectedAccount = () =>
  new Check('id_token_hint', 'id_token_hint and authenticated subject do not match', 'login_required', ({ oidc }: KoaContextWithOIDC) => {
    // The library validated the hint when the request arrived. It does not compare the hint again after a sign-in.
    const hint = oidc.params?.['id_token_hint'];
    if (typeof hint !== 'string' || decodeJwt(hint).sub === oidc.session?.accountId) return Check.NO_NEED_TO_PROMPT;
    if (oidc.result?.login) throw new errors.LoginRequired('id_token_hint and authenticated subject do not match');
    return Check.REQUEST_PROMPT;
  });

/** A prompt after login: the user chooses the account to continue with. A user who has just signed in has chosen already. */
export function selectAccountPrompt() {
  const prompt = new Prompt({ name: 'select_account', requestable: true });
  prompt.checks.remove('select_account_prompt');
  prompt.checks.add(
    new Check(
      'select_account_prompt',
      'the person is to say with which account to go on',
      'account_selection_required',
      ({ oidc }: KoaContextWithOIDC & { oidc: { promptPending(name: string): boolean } }) =>
        oidc.prompts.has('select_account') && oidc.promptPending('select_account') && !oidc.result?.login,
    ),
  );
  return prompt;
}
