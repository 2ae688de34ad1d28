import type { Context } from 'koa';

/**
 * Sends the browser on by GET, whatever the method was (RFC 9700 section 4.12), and keeps the redirect out of caches.
 * @param address a path of ours, or an address that was checked.
 */
export function seeOther(ctx: Pick<Context, 'redirect' | 'status' | 'set'>, address: string): void {
  ctx.redirect(address);
  ctx.status = 303;
  ctx.set('Cache-Control', 'no-store');
}
