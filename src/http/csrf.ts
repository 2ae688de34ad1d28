import type { Context } from 'koa';
import { AppError } from '../platform/errors.ts';
import { equalSecrets, keyedDigest } from '../platform/secrets.ts';

/**
 * A token that only we can make and that fits one thing alone, such as one interaction.
 * @param subject what the form acts on; it must be something that belongs to this browser.
 */
export function csrfToken(cookieKeys: string[], subject: string): string {
  return keyedDigest(cookieKeys[0] as string, `csrf ${subject}`);
}

/**
 * Refuses a form that was not ours: sent from another site, or without the token for what it acts on.
 * The token is the proof; the browser's own word about where the form stood is a second lock (OWASP CSRF cheat sheet).
 * @throws AppError 403
 */
export function assertOurForm(ctx: Context, cookieKeys: string[], subject: string, token: string | null, issuer: string): void {
  assertOurOrigin(ctx, issuer);
  if (!cookieKeys.some((key) => token !== null && equalSecrets(token, keyedDigest(key, `csrf ${subject}`))))
    throw new AppError('form_refused', { status: 403, reason: 'csrf_token_mismatch' });
}

/** Refuses a form that a browser says stood elsewhere: the second lock alone, where the library checks a token of its own. @throws AppError 403 */
export function assertOurOrigin(ctx: Context, issuer: string): void {
  const site = ctx.headers['sec-fetch-site'];
  const origin = ctx.headers.origin;
  // Under `Referrer-Policy: no-referrer` a browser sends `Origin: null` with our own forms: then only Sec-Fetch-Site can vouch for it.
  const foreign = site ? site !== 'same-origin' && site !== 'none' : origin !== undefined && origin !== issuer;
  const lying = origin !== undefined && origin !== 'null' && origin !== issuer;
  if (foreign || lying) throw new AppError('form_refused', { status: 403, reason: 'cross_origin_form' });
}
