import type { Feature } from '../../feature.ts';
import { totpRoutes } from './routes.ts';
import { SEALED_SECRETS, useCodesUntilNow, verifyTotp } from './totp.ts';

/** Codes of an authenticator app as a second factor (RFC 6238). */
export const totp: Feature = {
  async verifyFactorCode({ database, keyRing }, accountId, code) {
    const verdict = await verifyTotp(database, { keyRing, accountId, code });
    return verdict.ok ? { ok: true } : { ok: false, reason: verdict.reason === 'reused' ? 'reused' : 'wrong' };
  },
  mounts: () => [{ under: ['/account/factors/totp'], routes: totpRoutes }],
  afterRestore: () => [useCodesUntilNow()],
  sealed: [SEALED_SECRETS],
};
