import type { Context } from 'koa';
import { render } from './render.ts';

/**
 * Owns the way from a form to somebody else's site, and back through one. Browsers hold every redirect that follows a form to the policy of
 * the page that it stood on (`form-action`, CSP level 3), and drop in silence what it does not name. Nobody can name where a provider leads, and
 * a provider's page does not name where we do: so the chain ends at a page of ours, which goes on by itself.
 */
export function goOnward(ctx: Context, address: string): void {
  render(ctx, 'onward', { address });
  onwardFrom(ctx, address);
}

/** Whether a browser says that it navigates (Fetch Metadata), as all of today do. Programs that follow a user's way do not, nor do old browsers. */
export const saysItNavigates = (ctx: Context): boolean => ctx.get('Sec-Fetch-Mode') === 'navigate';

/** Has the page that was rendered go on by itself. It has a link for browsers that do not. */
export function onwardFrom(ctx: Context, address: string): void {
  ctx.set('Refresh', `0; url=${address}`);
}
