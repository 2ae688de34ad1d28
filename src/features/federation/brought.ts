import { displayName } from '../../oauth/clients/display-name.ts';
import type { SignUpWish } from '../../people/sign-up.ts';
import { AppError } from '../../platform/errors.ts';
import type { Brought, SignInFeature } from '../../sign-in/feature.ts';
import { linkingOf, obstacle, type SealedIdentity, unsealed } from './sign-in/pending.ts';

/** The upstream identity with which a sign-up began. The new account is linked to it. */
export const broughtToSignUp: NonNullable<SignInFeature['broughtToSignUp']> = ({ ctx, app }, payload): Brought | undefined => {
  const { upstream } = payload as SignUpWish;
  if (!upstream) return undefined;
  const pending = unsealed(app, upstream as SealedIdentity);
  return {
    amr: ['fed'],
    shown: {
      provider: displayName(pending.providerName, pending.providerId),
      as: displayName(pending.details.email ?? pending.details.username, pending.subject),
    },
    async assertFree() {
      if (await obstacle(app, pending)) throw new AppError('upstream_linked', { status: 409, reason: 'upstream_linked_or_gone_meanwhile' });
    },
    writes: (accountId) => linkingOf({ ctx, app }, pending, accountId),
  };
};
