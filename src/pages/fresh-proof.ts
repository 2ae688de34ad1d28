import type { Context } from 'koa';
import { seeOther } from '../http/see-other.ts';
import { hasFreshProof } from '../oauth/session/session-proofs.ts';
import type { OwnSession } from './first-party.ts';
import { TO_FILL_IN_SECONDS } from './own-pages.ts';

/**
 * Owns the question before a new way into an account is added: a factor, a passkey, another e-mail address, a linked account. The password
 * alone does not open such a page. A factor that the session has shown does, and so does a mail that was read a moment ago: see features/account/proof.ts.
 */

/** The page where the proof is given, by what it is needed for. The names stand in addresses. */
export const PROOF_PATH = '/account/proof';

/** What a proof is needed for, and where the browser goes on with it. */
export const NEEDED_FOR = {
  passkey: '/account/factors/passkey',
  totp: '/account/factors/totp',
  'recovery-codes': '/account/factors/recovery-codes',
  email: '/account/email',
  links: '/account/links?again',
} as const;

export type NeededFor = keyof typeof NEEDED_FOR;

/**
 * Sends the browser to prove more than the password, if that is needed. @param to the page of the proof below PROOF_PATH.
 * @returns true when the browser was sent away, and the answer is written.
 */
export function sentToProve(ctx: Context, session: OwnSession, to: NeededFor | `connect/${string}` | `interaction/${string}`): boolean {
  if (hasFreshProof(session, ctx.method === 'POST' ? TO_FILL_IN_SECONDS : 0)) return false;
  seeOther(ctx, `${PROOF_PATH}/${to}`);
  return true;
}
