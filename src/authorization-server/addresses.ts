import type { Context, Next } from 'koa';
import { ROUTES } from './configuration.ts';

/**
 * Owns which addresses are the protocol's. The library's router takes any case of a letter, and a slash at the end, for the same address;
 * what stands around it here (limits, checks, what is hidden from an answer) goes by the path and would be walked around by
 * another spelling. So an address has one.
 */

const ADDRESSES = new Set([...Object.values(ROUTES), '/.well-known/openid-configuration', '/.well-known/oauth-authorization-server']);

/** Those with one more segment: an interaction to resume, a client, a step of a form. */
const FAMILIES = new Set([ROUTES.authorization, ROUTES.registration, ROUTES.code_verification, ROUTES.end_session]);

/** Lets a request on to the library if its address is written as it is in the metadata; any other is not found. */
export function onlyExactAddresses(ctx: Context, next: Next): Promise<void> | undefined {
  const [, family = '', segment] = /^(.+)\/([^/]+)$/.exec(ctx.path) ?? [];
  if (!ADDRESSES.has(ctx.path) && !(segment && FAMILIES.has(family))) return undefined;
  return next();
}
