import type { Context } from 'koa';
import { render } from './render.ts';

/** Owns the redirects of a browser. */

/**
 * Leads a browser from a form to another site, and back through a provider. Browsers apply the page's `form-action` policy (CSP level 3) to
 * every redirect that follows a form, and silently drop redirects it does not list. This server cannot list where a provider redirects, and
 * a provider's page does not list this server's clients. So the chain of redirects ends at a page of this server, which then navigates by
 * itself.
 */
export function goOnward(ctx: Context, address: string): void {
  render(ctx, 'onward', { address });
  onwardFrom(ctx, address);
}

/**
 * Whether the browser declares a navigation (Fetch Metadata), as all current browsers do. Programs that follow a user's path do not, nor do
 * old browsers.
 */
export const saysItNavigates = (ctx: Context): boolean => ctx.get('Sec-Fetch-Mode') === 'navigate';

/** Makes the rendered page navigate by itself. The page also has a link, for browsers that do not. */
export function onwardFrom(ctx: Context, address: string): void {
  ctx.set('Refresh', `0; url=${address}`);
}

/**
 * Redirects the browser by GET, for any request method (RFC 9700 section 4.12), and keeps the redirect out of caches.
 * @param address a path of this server, or a validated address.
 */
export function seeOther(ctx: Pick<Context, 'redirect' | 'status' | 'set'>, address: string): void {
  ctx.redirect(address);
  ctx.status = 303;
  ctx.set('Cache-Control', 'no-store');
}
