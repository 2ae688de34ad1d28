import type { InteractionResults } from 'oidc-provider';
import { epochSeconds } from '../platform/clock.ts';
import type { Step } from './step.ts';

/**
 * The one way out of a step: stores its result and sends the browser back to the authorization endpoint, which asks what is next.
 * The redirect is written by us rather than by the library's interactionFinished(), because that one answers at once,
 * before the unit of work has been written.
 */
export async function finish({ ctx, services: { provider } }: Step, result: InteractionResults): Promise<void> {
  // Steps that come after it do not make a sign-in a later one.
  const { login } = result;
  const dated = login ? { ...result, login: { ts: epochSeconds(new Date()), ...login } } : result;
  const returnTo = await provider.interactionResult(ctx.req, ctx.res, dated, { mergeWithLastSubmission: true });
  ctx.redirect(returnTo);
  // A redirect that answers a POST must become a GET (RFC 9700 section 4.12).
  ctx.status = 303;
  ctx.set('Cache-Control', 'no-store');
}
