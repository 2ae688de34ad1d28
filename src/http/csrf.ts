import { randomBytes } from 'node:crypto';
import type { Context } from 'koa';
import { AppError } from '../platform/errors.ts';
import { digestInHex, equalSecrets, keyedDigest } from '../platform/secrets.ts';

/**
 * A token that only this server can create and that is valid for one subject, such as one interaction. Each page gets a different one, so
 * that presses.ts can distinguish a form sent twice from one page from forms of two pages.
 * @param subject what the form acts on; it must belong to this browser.
 * @param path the page's path: see stoodAt().
 */
export function csrfToken(cookieKeys: string[], subject: string, path = ''): string {
  const page = randomBytes(12).toString('base64url') + markOf(path);
  return `${page}.${proof(cookieKeys[0] as string, subject, page)}`;
}

/** Whether a valid token was created for the page at this path. */
export const stoodAt = (path: string, token: string | null): boolean => token?.split('.')[0]?.endsWith(markOf(path)) ?? false;

const markOf = (path: string) => digestInHex(path).slice(0, 8);

const proof = (key: string, subject: string, page: string) => keyedDigest(key, `csrf ${page} ${subject}`);

/**
 * Refuses a form that another site sent, or that lacks the token for its subject. The token is the proof. The browser's headers about the
 * form's origin are a second check (OWASP CSRF cheat sheet).
 * @throws AppError 403
 */
export function assertOurForm(ctx: Context, cookieKeys: string[], subject: string, token: string | null, issuer: string): void {
  assertOurOrigin(ctx, issuer);
  const [page, proven] = token?.split('.') ?? [];
  if (!page || !proven || !cookieKeys.some((key) => equalSecrets(proven, proof(key, subject, page))))
    throw new AppError('form_refused', { status: 403, reason: 'csrf_token_mismatch' });
}

/**
 * Refuses a form that comes from another origin according to the browser's headers. This is the second check alone, for forms where the
 * library checks its own token.
 * @throws AppError 403
 */
export function assertOurOrigin(ctx: Context, issuer: string): void {
  const site = ctx.headers['sec-fetch-site'];
  const origin = ctx.headers.origin;
  // Under `Referrer-Policy: no-referrer` a browser sends `Origin: null` with this server's own forms. Then only Sec-Fetch-Site can confirm
  // the origin.
  const foreign = site ? site !== 'same-origin' && site !== 'none' : origin !== undefined && origin !== issuer;
  const lying = origin !== undefined && origin !== 'null' && origin !== issuer;
  if (foreign || lying) throw new AppError('form_refused', { status: 403, reason: 'cross_origin_form' });
}
