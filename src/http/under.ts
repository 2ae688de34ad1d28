import type { Context, Next } from 'koa';

/** A part of the application: middleware, with any additions of the routers and the library to its context. */
export type Part = (ctx: never, next: Next) => unknown;

/** Calls a part of the application only for paths under its prefixes, because a router tries each of its routes before it gives up. */
export function under(prefixes: string[], part: Part): Part {
  return (ctx: Context, next: Next) => (prefixes.some((prefix) => ctx.path.startsWith(prefix)) ? part(ctx as never, next) : next());
}
