import type { Context } from 'koa';
import { seeOther } from '../http/redirects.ts';
import { hasFreshProof } from '../oauth/session/session-proofs.ts';
import type { OwnSession } from './first-party.ts';
import { TO_FILL_IN_SECONDS } from './own-pages.ts';

/**
 * Owns the check before a sign-in method is added: a factor, a passkey, another e-mail address, a linked account. The password alone is not
 * enough. The session needs a factor, or a recent proof by mail: see features/account/proof.ts.
 */

/** Path of the proof's page, followed by what it is needed for. The names appear in URLs. */
export const PROOF_PATH = '/account/proof';

/** What a proof is needed for, and where the browser continues. */
export const NEEDED_FOR = {
  passkey: '/account/factors/passkey',
  totp: '/account/factors/totp',
  'recovery-codes': '/account/factors/recovery-codes',
  email: '/account/email',
  links: '/account/links?again',
} as const;

export type NeededFor = keyof typeof NEEDED_FOR;

/**
 * Redirects the browser to prove more than the password, if that is needed.
 * @param to the page of the proof below PROOF_PATH.
 * @returns true when the browser was redirected; the response is then complete.
 */
export function sentToProve(ctx: Context, session: OwnSession, to: NeededFor | `connect/${string}` | `interaction/${string}`): boolean {
  if (hasFreshProof(session, ctx.method === 'POST' ? TO_FILL_IN_SECONDS : 0)) return false;
  seeOther(ctx, `${PROOF_PATH}/${to}`);
  return true;
}
