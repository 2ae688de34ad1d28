import type { Context, Next } from 'koa';

/** A part of the application: middleware, with whatever the routers and the library add to its context. */
export type Part = (ctx: never, next: Next) => unknown;

/** Asks a part of the application only for what is under its addresses: a router tries every one of its routes before it says no. */
export function under(prefixes: string[], part: Part): Part {
  return (ctx: Context, next: Next) => (prefixes.some((prefix) => ctx.path.startsWith(prefix)) ? part(ctx as never, next) : next());
}
