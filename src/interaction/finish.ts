import type { InteractionResults } from 'oidc-provider';
import type { Step } from './step.ts';

/**
 * The one way out of a step: stores its result and sends the browser back to the authorization endpoint, which asks what is next.
 * The redirect is written by us rather than by the library's interactionFinished(), because that one answers at once,
 * before the unit of work has been written.
 */
export async function finish({ ctx, services: { provider } }: Step, result: InteractionResults): Promise<void> {
  const returnTo = await provider.interactionResult(ctx.req, ctx.res, result, { mergeWithLastSubmission: true });
  ctx.redirect(returnTo);
  // A redirect that answers a POST must become a GET (RFC 9700 section 4.12).
  ctx.status = 303;
  ctx.set('Cache-Control', 'no-store');
}
