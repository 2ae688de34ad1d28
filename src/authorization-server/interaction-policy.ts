import { interactionPolicy } from 'oidc-provider';
import type { SignedInAccount } from './sign-in.ts';

/**
 * Owns the question of what a person must still do before a client gets its answer: sign in, take back a wish to be deleted, then consent.
 * Steps never route to one another; each returns here by finish.ts, and this says what is next.
 */
export function createInteractionPolicy() {
  const policy = interactionPolicy.base();
  // A browser may still be signed in to an account that was closed meanwhile: it signs in anew instead of failing.
  policy
    .get('login')
    ?.checks.add(
      new interactionPolicy.Check(
        'account_gone',
        'the signed-in account is not available any more',
        ({ oidc }) => oidc.session?.accountId !== undefined && oidc.account === undefined,
      ),
    );
  // An account that is to be deleted can be used for nothing but taking that back.
  policy.add(
    new interactionPolicy.Prompt(
      { name: 'restore', requestable: false },
      new interactionPolicy.Check(
        'deletion_scheduled',
        'the account is to be deleted',
        ({ oidc }) => (oidc.account as SignedInAccount | undefined)?.toBeDeleted === true,
      ),
    ),
    policy.findIndex(({ name }) => name === 'consent'),
  );
  return policy;
}
