import type { Context, Next } from 'koa';
import { goOnward, saysItNavigates } from '../../http/onward.ts';
import { ROUTES } from '../routes.ts';

/**
 * Owns the last step of an authorization or a sign-out in a browser: the way from our form to the app. A browser holds every redirect that follows a
 * form to the page's `form-action`. An app whose callback sends the browser on to another origin of its own would never be reached: so the chain of
 * redirects ends at a page of ours, which goes on by itself.
 */
export function arriveAtApps(issuer: string) {
  const afterForm = new RegExp(`^(${ROUTES.authorization}/[^/]+|${ROUTES.end_session}/confirm)$`);
  return async (ctx: Context, next: Next): Promise<void> => {
    await next();
    // Browsers alone say that they navigate (Fetch Metadata); programs that follow a user's way get the redirect itself.
    if (ctx.status !== 303 || !saysItNavigates(ctx) || !afterForm.test(ctx.path)) return;
    const address = URL.parse(ctx.response.get('Location'));
    // A browser opens an app's own scheme after a press alone; a page that goes on by itself is none.
    if (!address || address.origin === issuer || !['http:', 'https:'].includes(address.protocol)) return;
    ctx.remove('Location');
    goOnward(ctx, address.href);
  };
}
