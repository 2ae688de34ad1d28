import type { Context, Next } from 'koa';
import { render } from '../http/render.ts';

/** The page at the root: says what this server is and links to its documents. */
export function home() {
  return (ctx: Context, next: Next) => {
    if (ctx.path !== '/' || ctx.method !== 'GET') return next();
    render(ctx, 'home');
  };
}
