import { createHash, randomBytes } from 'node:crypto';
import type { Context } from 'koa';
import type { Provider } from 'oidc-provider';
import { preferProfile } from '../http/language.ts';
import { seeOther } from '../http/see-other.ts';
import { CALLBACK_PATH, FIRST_PARTY_CLIENT } from '../oauth/clients/first-party.ts';
import { ROUTES } from '../oauth/routes.ts';
import { knownAccount } from '../oauth/session/accounts.ts';
import { owesFactor } from '../oauth/session/strength.ts';
import type { Account } from '../people/store.ts';
import { MINUTE } from '../platform/clock.ts';
import type { Config } from '../platform/config.ts';
import type { Database } from '../platform/database.ts';
import { AppError } from '../platform/errors.ts';

/**
 * The one door to our own pages about a person: account, developer, admin. They sign in through the authorization server like any
 * client, and what they are after is the browser's session, not a token.
 */

// A page of ours, and nothing that a browser could read as another place (`//evil.example`). `?again` is the door's own word: a form
// was on its way when its person had to sign in, and is to be sent again. `?request=` is what we sealed ourselves: no free text.
// A client's id in it may be whatever an operator chose, with what no path has as %XX: but nothing that begins like another place.
const OWN_PAGE = /^\/(account|developer|admin)(\/(?!\.\.?(\/|\?|$)|%2f|%5c|%2e)[\w.~%-]+)*(\?again|\?request=[\w.-]{1,8000})?$/i;

// What is asked of the authorization endpoint is a little more than what is asked here: two nodes whose clocks differ would
// otherwise send a browser to and fro, one finding that its sign-in was too long ago and the other that it was not.
export const CLOCK_DIFFERENCE_SECONDS = MINUTE;

export type OwnSession = Awaited<ReturnType<Provider['Session']['get']>>;

export type SignedIn = { account: Account; session: OwnSession };

export type FirstParty = { provider: Provider; database: Database; config: Config };

/**
 * Who is signed in at this browser. When nobody is, it was too long ago, or a factor is still owed, the browser is sent to sign in and
 * comes back to this page.
 * So is one whose account is disabled, or is to be deleted: what can be done about that is the authorization server's to ask.
 * @param maxAgeSeconds for what is not to be changed by whoever finds a browser open: how long ago the person may have signed in, two minutes or more.
 * @param page where it comes back to, when that is not the page itself.
 * @returns undefined when the browser was sent away, and the answer is written.
 */
export async function signedIn(
  ctx: Context,
  { provider, database, config }: FirstParty,
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

/** Sends a browser to show more than it has shown, and back to this page. @param acr the context to reach (RFC 9470 section 4). */
export function sendToStepUp(ctx: Context, issuer: string, acr: string): void {
  seeOther(ctx, authorizationUrl(issuer, ctx.method === 'POST' ? `${ctx.path}?again` : ctx.path, { acr_values: acr }));
}

/** Whether this is a browser that comes back from signing in. It is sent on to the page it came from. */
export function comesBack(ctx: Context): boolean {
  if (ctx.path !== CALLBACK_PATH) return false;
  const { state, error } = ctx.query;
  // Whatever a stranger writes there comes neither onto a page nor into the log.
  if (error !== undefined)
    throw new AppError('access_denied', {
      status: 400,
      reason: `first_party ${typeof error === 'string' && /^[a-z_]{1,40}$/.test(error) ? error : 'unreadable error'}`,
    });
  // The answer is in the browser's session. Nothing is done with the code, and nobody else can: who asked has forgotten the verifier.
  seeOther(ctx, typeof state === 'string' && OWN_PAGE.test(state) ? state : '/account');
  return true;
}

/** Where an account is made that no app has asked for (Initiating User Registration via OpenID Connect 1.0 section 4). */
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
