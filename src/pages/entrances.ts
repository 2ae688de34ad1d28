import type { Context, Next } from 'koa';
import { seeOther } from '../http/see-other.ts';
import { signUpUrl } from './first-party.ts';

/** Addresses that lead users and their password managers to pages of this server without a client's request. */
export function entrances(issuer: string) {
  return (ctx: Context, next: Next) => {
    const target = ctx.method === 'GET' || ctx.method === 'HEAD' ? targetOf(ctx.path, issuer) : undefined;
    if (!target) return next();
    seeOther(ctx, target);
  };
}

function targetOf(path: string, issuer: string): string | undefined {
  if (path === '/signup') return signUpUrl(issuer);
  // W3C, A Well-Known URL for Changing Passwords, section 3.
  if (path === '/.well-known/change-password') return '/account/password';
  return undefined;
}
