import type { Context, Middleware, Next } from 'koa';

/** Asks a part of the application only for what is under its addresses: a router tries every one of its routes before it says no. */
export function under(prefixes: string[], part: Middleware): Middleware {
  return (ctx: Context, next: Next) => (prefixes.some((prefix) => ctx.path.startsWith(prefix)) ? part(ctx as never, next) : next());
}
