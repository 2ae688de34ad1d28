import { createHash, randomBytes } from 'node:crypto';
import type { Context } from 'koa';
import type { Provider } from 'oidc-provider';
import { preferProfile } from '../http/language.ts';
import { seeOther } from '../http/redirects.ts';
import type { App } from '../oauth/app.ts';
import { CALLBACK_PATH, FIRST_PARTY_CLIENT } from '../oauth/clients/first-party.ts';
import { ROUTES } from '../oauth/routes.ts';
import { knownAccount } from '../oauth/session/accounts.ts';
import { owesFactor } from '../oauth/session/strength.ts';
import type { Account } from '../people/store.ts';
import { MINUTE } from '../platform/clock.ts';
import { AppError } from '../platform/errors.ts';

/**
 * Owns the sign-in to this server's own pages: account, developer, admin. They sign in through the authorization server like any client,
 * but they need the browser's session, not a token.
 */

// A page of this server, and nothing that a browser could read as another host (`//evil.example`). `?again` means that a sign-in
// interrupted a form, which the user must send again. `?request=` is encrypted by this server, so it contains no stranger's text. A client
// id in the path is the operator's choice, percent-encoded where a path requires it. It cannot begin like another host.
const OWN_PAGE = /^\/(account|developer|admin)(\/(?!\.\.?(\/|\?|$)|%2f|%5c|%2e)[\w.~%-]+)*(\?again|\?request=[\w.-]{1,8000})?$/i;

// The authorization request asks for a slightly newer sign-in than the page needs. Otherwise two nodes with different clocks could redirect
// a browser back and forth, because they disagree about the age of its sign-in.
export const CLOCK_DIFFERENCE_SECONDS = MINUTE;

export type OwnSession = Awaited<ReturnType<Provider['Session']['get']>>;

export type SignedIn = { account: Account; session: OwnSession };

/**
 * Finds the user who is signed in at this browser. It redirects the browser to sign in when nobody is signed in, the sign-in is too old, or
 * a factor is missing. The browser then returns to this page. It does the same for an account that is disabled or awaits deletion: the
 * authorization server then shows what the user can do.
 * @param maxAgeSeconds the oldest sign-in allowed, two minutes or more, for changes that a stranger at an open browser must not make.
 * @param page where the browser returns; by default this page.
 * @returns undefined when the browser was redirected; the response is then complete.
 */
export async function signedIn(
  ctx: Context,
  { provider, database, config }: App,
  { maxAgeSeconds, page = ctx.method === 'POST' ? `${ctx.path}?again` : ctx.path }: { maxAgeSeconds?: number; page?: string } = {},
): Promise<SignedIn | undefined> {
  const session = await provider.Session.get(ctx as never);
  const account = session.accountId ? await knownAccount(database, session.accountId) : undefined;
  const recent = maxAgeSeconds === undefined || !session.past(maxAgeSeconds);
  if (account && !account.deleteAfter && recent && !(await owesFactor(database, session))) {
    preferProfile(ctx, account.locale);
    return { account, session };
  }
  const maxAge = maxAgeSeconds === undefined ? undefined : maxAgeSeconds - CLOCK_DIFFERENCE_SECONDS;
  seeOther(ctx, authorizationUrl(config.issuer, page, { max_age: maxAge }));
  return undefined;
}

/** Redirects a browser to a stronger authentication, and back to this page. @param acr the required context (RFC 9470 section 4). */
export function sendToStepUp(ctx: Context, issuer: string, acr: string): void {
  seeOther(ctx, authorizationUrl(issuer, ctx.method === 'POST' ? `${ctx.path}?again` : ctx.path, { acr_values: acr }));
}

/** Handles the return from a sign-in, and redirects the browser to its page. @returns false for any other request. */
export function comesBack(ctx: Context): boolean {
  if (ctx.path !== CALLBACK_PATH) return false;
  const { state, error } = ctx.query;
  // A stranger can write these parameters, so they appear neither on a page nor in the log.
  if (error !== undefined)
    throw new AppError('access_denied', {
      status: 400,
      reason: `first_party ${typeof error === 'string' && /^[a-z_]{1,40}$/.test(error) ? error : 'unreadable error'}`,
    });
  // The session is already in the browser. This server ignores the code, and nobody else can use it, because the verifier was discarded.
  seeOther(ctx, typeof state === 'string' && OWN_PAGE.test(state) ? state : '/account');
  return true;
}

/** Address that creates an account without a client's request (Initiating User Registration via OpenID Connect 1.0 section 4). */
export function signUpUrl(issuer: string): string {
  return authorizationUrl(issuer, '/account', { prompt: 'create' });
}

function authorizationUrl(issuer: string, page: string, wishes: Record<string, string | number | undefined>): string {
  const query = new URLSearchParams({
    client_id: FIRST_PARTY_CLIENT,
    redirect_uri: `${issuer}${CALLBACK_PATH}`,
    response_type: 'code',
    scope: 'openid',
    state: OWN_PAGE.test(page) ? page : '/account',
    code_challenge: createHash('sha256').update(randomBytes(32).toString('base64url')).digest('base64url'),
    code_challenge_method: 'S256',
  });
  for (const [name, wish] of Object.entries(wishes)) if (wish !== undefined) query.set(name, String(wish));
  return `${ROUTES.authorization}?${query}`;
}
