import { interactionPolicy } from 'oidc-provider';
import type { Database } from '../platform/database.ts';
import { askedOf, isWeaker, owesFactor } from './strength.ts';

/**
 * Owns the question of what a person must still do before a client gets its answer: sign up when that is wished for, or sign in; show a
 * further factor; then consent.
 * Steps never route to one another; each returns here by finish.ts, and this says what is next.
 */
export function createInteractionPolicy(database: Database) {
  const { base, Check, Prompt } = interactionPolicy;
  const policy = base();
  // A browser may still be signed in to an account that was closed meanwhile: it signs in anew instead of failing.
  policy
    .get('login')
    ?.checks.add(
      new Check(
        'account_gone',
        'the signed-in account is not available any more',
        ({ oidc }) => oidc.session?.accountId !== undefined && oidc.account === undefined,
      ),
    );
  policy.add(
    new Prompt(
      { name: 'factor' },
      new Check('second_factor', 'the account has a further factor, which was not shown', ({ oidc }) =>
        oidc.session ? owesFactor(database, oidc.session) : false,
      ),
      // RFC 9470 section 5: the person steps up; what they cannot reach, the page says.
      new Check('acr_values', 'a stronger authentication is asked for', ({ oidc }) =>
        oidc.session ? isWeaker(oidc.session, askedOf(oidc.params ?? {})) : false,
      ),
    ),
    1,
  );
  // Asked for alone: nobody must have an account anew. It comes first, because it ends with somebody signed in.
  policy.add(new Prompt({ name: 'create', requestable: true }), 0);
  return policy;
}
