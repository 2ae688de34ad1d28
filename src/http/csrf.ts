import { randomBytes } from 'node:crypto';
import type { Context } from 'koa';
import { AppError } from '../platform/errors.ts';
import { digestInHex, equalSecrets, keyedDigest } from '../platform/secrets.ts';

/**
 * A token that only we can make and that fits one thing alone, such as one interaction. Each page has another one: a form that is sent
 * twice from one page is told from one that is sent from two (presses.ts).
 * @param subject what the form acts on; it must be something that belongs to this browser. @param path where the page stands: see stoodAt().
 */
export function csrfToken(cookieKeys: string[], subject: string, path = ''): string {
  const page = randomBytes(12).toString('base64url') + markOf(path);
  return `${page}.${proof(cookieKeys[0] as string, subject, page)}`;
}

/** Whether a token, which is ours, was made for the page at this path. */
export const stoodAt = (path: string, token: string | null): boolean => token?.split('.')[0]?.endsWith(markOf(path)) ?? false;

const markOf = (path: string) => digestInHex(path).slice(0, 8);

const proof = (key: string, subject: string, page: string) => keyedDigest(key, `csrf ${page} ${subject}`);

/**
 * Refuses a form that was not ours: sent from another site, or without the token for what it acts on.
 * The token is the proof; the browser's own word about where the form stood is a second lock (OWASP CSRF cheat sheet).
 * @throws AppError 403
 */
export function assertOurForm(ctx: Context, cookieKeys: string[], subject: string, token: string | null, issuer: string): void {
  assertOurOrigin(ctx, issuer);
  const [page, proven] = token?.split('.') ?? [];
  if (!page || !proven || !cookieKeys.some((key) => equalSecrets(proven, proof(key, subject, page))))
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
