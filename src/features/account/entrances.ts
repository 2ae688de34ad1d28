import type { Context, Next } from 'koa';
import { seeOther } from '../../http/redirects.ts';
import { signUpUrl } from '../../pages/first-party.ts';

// W3C, A Well-Known URL for Changing Passwords, section 3.
const CHANGE_PASSWORD = '/.well-known/change-password';

/** Addresses that lead users and their password managers to pages of this server without a client's request. */
export const ENTRANCES = ['/signup', CHANGE_PASSWORD];

export function entrances(issuer: string) {
  return (ctx: Context, next: Next) => {
    const target = ctx.method === 'GET' || ctx.method === 'HEAD' ? targetOf(ctx.path, issuer) : undefined;
    if (!target) return next();
    seeOther(ctx, target);
  };
}

function targetOf(path: string, issuer: string): string | undefined {
  if (path === '/signup') return signUpUrl(issuer);
  return path === CHANGE_PASSWORD ? '/account/password' : undefined;
}
