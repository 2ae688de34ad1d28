import type { Context, Next } from 'koa';
import { goOnward, saysItNavigates } from '../../http/redirects.ts';
import { ROUTES } from '../routes.ts';

/**
 * Owns the last step of an authorization or sign-out in a browser: the way from our form to the app.
 * A browser applies the page's `form-action` to every redirect that follows a form. An app whose callback redirects to another of its
 * origins would
 * never be reached. So the chain of redirects ends at a page of this server, which then navigates by itself.
 */
export function arriveAtApps(issuer: string) {
  const afterForm = new RegExp(`^(${ROUTES.authorization}/[^/]+|${ROUTES.end_session}/confirm)$`);
  return async (ctx: Context, next: Next): Promise<void> => {
    await next();
    // Only browsers send Fetch Metadata. A program that follows a user's flow gets the redirect itself.
    if (ctx.status !== 303 || !saysItNavigates(ctx) || !afterForm.test(ctx.path)) return;
    const address = URL.parse(ctx.response.get('Location'));
    // A browser opens an app's own scheme only after a press, so an automatic page would not work.
    if (!address || address.origin === issuer || !['http:', 'https:'].includes(address.protocol)) return;
    ctx.remove('Location');
    goOnward(ctx, address.href);
  };
}
