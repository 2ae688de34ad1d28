import type { Feature } from '../../feature.ts';
import { showFactor } from '../../sign-in/factor.ts';
import { showLogin } from '../../sign-in/login.ts';
import { passkeyRoutes } from './routes.ts';
import { offerPasskey, passkeyOf, submitPasskey } from './sign-in.ts';

/** Passkeys: they replace the password at sign-in, where one counts as two factors, or serve as a second factor (WebAuthn level 3). */
export const passkeys: Feature = {
  signInPages: { passkey: { show: offerPasskey, answer: (step, form) => submitPasskey(step, form, showLogin) } },
  promptPages: {
    factor: {
      first: 'factor',
      pages: { passkey: { show: offerPasskey, answer: (step, form) => submitPasskey(step, form, showFactor) } },
    },
  },
  offers: async (step) => ({ passkey: passkeyOf(step) }),
  factorOffer: (step) => ({ passkey: passkeyOf(step, { autofill: false }) }),
  mounts: () => [{ under: ['/account/factors/passkey', '/.well-known/passkey-endpoints'], routes: passkeyRoutes }],
};
