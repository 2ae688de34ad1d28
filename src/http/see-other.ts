import type { Context } from 'koa';

/**
 * Redirects the browser by GET, for any request method (RFC 9700 section 4.12), and keeps the redirect out of caches.
 * @param address a path of this server, or a validated address.
 */
export function seeOther(ctx: Pick<Context, 'redirect' | 'status' | 'set'>, address: string): void {
  ctx.redirect(address);
  ctx.status = 303;
  ctx.set('Cache-Control', 'no-store');
}
