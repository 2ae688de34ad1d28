import { interactionPolicy } from 'oidc-provider';

/**
 * Owns the question of what a person must still do before a client gets its answer: sign up when that is wished for, or sign in; then consent.
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
  // Asked for alone: nobody must have an account anew. It comes first, because it ends with somebody signed in.
  policy.add(new interactionPolicy.Prompt({ name: 'create', requestable: true }), 0);
  return policy;
}
