import { decodeJwt } from 'jose';
import { errors, type InteractionResults, interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider';

/**
 * Owns which account an authorization goes on with: the one that is signed in, or another (`prompt=select_account`, `id_token_hint`,
 * "Not you?"). OpenID Connect Core sections 3.1.2.1 and 3.1.2.3.
 */

const { Check, Prompt } = interactionPolicy;

/** The interaction's result when the person said which account it is to be. */
export type AccountChoice = { another: boolean };

/** What a person's wish for another account becomes: nothing of what was done before for this authorization counts, it was somebody else's. */
export const ANOTHER_ACCOUNT = { select_account: { another: true } satisfies AccountChoice } as InteractionResults;

export const SAME_ACCOUNT = { select_account: { another: false } satisfies AccountChoice } as InteractionResults;

/** Belongs to the login prompt: the person asked for another account, and has not signed in to one yet. */
export const anotherAccount = () =>
  new Check(
    'another_account',
    'the person wants to go on with another account',
    'login_required',
    ({ oidc: { result } }) => (result?.['select_account'] as AccountChoice | undefined)?.another === true && !result?.login,
  );

/**
 * Belongs to the login prompt: the client knows whom it expects. Whoever is signed in may sign in as that person, once; somebody else
 * is not asked over and over, the client hears `login_required` instead (section 3.1.2.1, id_token_hint).
 */
export const expectedAccount = () =>
  new Check('id_token_hint', 'id_token_hint and authenticated subject do not match', 'login_required', ({ oidc }: KoaContextWithOIDC) => {
    // The library has validated it when the request came, and does not look at it again after a sign-in.
    const hint = oidc.params?.['id_token_hint'];
    if (typeof hint !== 'string' || decodeJwt(hint).sub === oidc.session?.accountId) return Check.NO_NEED_TO_PROMPT;
    if (oidc.result?.login) throw new errors.LoginRequired('id_token_hint and authenticated subject do not match');
    return Check.REQUEST_PROMPT;
  });

/** A prompt of its own, after login: with whom to go on. Whoever has just signed in has chosen. */
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
