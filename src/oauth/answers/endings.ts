import type { Context, Next } from 'koa';
import type { Provider } from 'oidc-provider';
import { type Answer, answerOf, findKept, giveAnswer, KEPT_SECONDS, keeping, placeOf } from '../../http/kept-answers.ts';
import { HOUR } from '../../platform/clock.ts';
import type { Database } from '../../platform/database.ts';
import { digestInHex } from '../../platform/secrets.ts';
import type { App } from '../app.ts';
import { ROUTES } from '../routes.ts';
import { write } from '../store/unit-of-work.ts';
import { isCodeUnused } from '../store/unused-codes.ts';

/**
 * Owns the end of an interaction: the next page, or the redirect to the app with a code. The library ends an interaction once.
 * A user may press twice before the first response arrives. The second request gets the same response with the same code, which the app
 * redeems once.
 * Both records are written in one unit of work with the end itself. They are encrypted under a key derived from the interaction's `uid`.
 */

type Ending = {
  answer: Answer;
  /** Digest of the session cookie that the browser sent; '' without one. */
  session: string;
  /** Digest of the code in the answer. */
  code?: string;
};

/** Stored for an hour, without code and session: the page that came next, or the app that received the browser. */
export type WhereItLed = { next: string } | { clientId: string; origin?: string };

// As long as an interaction may be completed.
const KNOWN_SECONDS = HOUR;

const endOf = (path: string) => new RegExp(`^(?:${ROUTES.authorization}|${ROUTES.code_verification})/([^/]+)$`).exec(path)?.[1];

/** Wraps the library's endpoints: stores how each interaction ends, and answers a second request from that record. */
export function keepEndings({ provider, database }: Pick<App, 'provider' | 'database'>) {
  return async (ctx: Context, next: Next) => {
    const uid = ctx.method === 'GET' ? endOf(ctx.path) : undefined;
    // The library's cookie proves that this browser owns the interaction.
    if (!uid || ctx.cookies.get(provider.cookieName('resume'), { signed: true }) !== uid) return next();
    await takeTurn(ctx, uid);
    ctx.state.repeatEnding = () => repeatEnding(ctx, { provider, database }, uid);
    await next();
    // The parameters exist once the interaction was consumed. Before that, nothing has ended.
    if (ctx.status < 400 && ctx['oidc']?.params && !ctx.state.repeated) await keepEnding(ctx, { provider, database }, uid);
  };
}

const underWay = new Map<string, Promise<void>>();

/**
 * One request at a time. A pushed request is consumed before its code is written, so a second request would only get that error (RFC 9126
 * section 4).
 */
async function takeTurn(ctx: Context, uid: string): Promise<void> {
  const first = underWay.get(uid);
  if (first) return first;
  const { promise, resolve } = Promise.withResolvers<void>();
  underWay.set(uid, promise);
  ctx.state.endOfPress = async () => {
    underWay.delete(uid);
    resolve();
  };
}

async function keepEnding(ctx: Context, { provider, database }: Pick<App, 'provider' | 'database'>, uid: string): Promise<void> {
  const answer = answerOf(ctx);
  if (!answer) return;
  const { params, entities } = ctx['oidc'];
  const code = entities.AuthorizationCode?.jti as string | undefined;
  const ending: Ending = { answer, session: sessionOf(ctx, provider), ...(code ? { code: digestInHex(code) } : undefined) };
  await write(database, {
    purpose: 'keep',
    subject: `Ending ${uid}`,
    statement: keeping([
      { place: endingOf(uid), value: ending, seconds: KEPT_SECONDS },
      { place: ledOf(uid), value: whereItLed(answer, params), seconds: KNOWN_SECONDS },
    ]),
  });
}

function whereItLed({ headers }: Answer, params: Record<string, unknown>): WhereItLed {
  const location = URL.parse(headers['Location'] ?? '', 'x://here');
  if (location?.protocol === 'x:' && location.pathname.startsWith('/interaction/')) return { next: location.pathname };
  const client = { clientId: String(params['client_id']) };
  const redirect = URL.parse(String(params['redirect_uri'] ?? ''));
  return redirect?.protocol === 'https:' || redirect?.protocol === 'http:' ? { ...client, origin: redirect.origin } : client;
}

/**
 * Answers with the stored end of the interaction.
 * @param uid of an interaction of this browser: the caller has checked its cookie.
 * @returns false when no end is stored, or the code was redeemed or revoked since. Nothing is written to the response then.
 */
export async function repeatEnding(
  ctx: Context,
  { provider, database }: Pick<App, 'provider' | 'database'>,
  uid: string,
): Promise<boolean> {
  const ending = (await findKept<Ending>(database, endingOf(uid)))?.value;
  if (!ending || (ending.code && !(await isCodeUnused(database, ending.code)))) return false;
  const { answer, session } = ending;
  // A browser that has the new session or a newer one keeps it. A browser with its first cookie never received the new session.
  const same = sessionOf(ctx, provider) === session;
  const own = new RegExp(`^${provider.cookieName('session')}(\\.sig)?=`);
  ctx.remove('Set-Cookie');
  giveAnswer(
    ctx,
    answer,
    answer.cookies.filter((line) => same || !own.test(line)),
  );
  ctx.state.repeated = true;
  return true;
}

/** @returns where an interaction of this browser led; stored for an hour. */
export async function findWhereItLed(database: Database, uid: string): Promise<WhereItLed | undefined> {
  return (await findKept<WhereItLed>(database, ledOf(uid)))?.value;
}

const endingOf = (uid: string) => placeOf('the end of an interaction', uid);
const ledOf = (uid: string) => placeOf('where an interaction led', uid);

function sessionOf(ctx: Context, provider: Provider): string {
  const cookie = ctx.cookies.get(provider.cookieName('session'), { signed: true });
  return cookie ? digestInHex(cookie) : '';
}
