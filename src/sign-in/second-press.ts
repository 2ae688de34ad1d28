import type { Context } from 'koa';
import { readForm } from '../http/form.ts';
import { type Answer, giveAnswer } from '../http/kept-answers.ts';
import { answerToFirst } from '../http/presses.ts';
import { seeOther } from '../http/redirects.ts';
import { render } from '../http/render.ts';
import { findWhereItLed, repeatEnding, type WhereItLed } from '../oauth/answers/endings.ts';
import { answeredBefore } from '../oauth/answers/first-press.ts';
import { findWayBack } from '../oauth/answers/way-back.ts';
import type { App } from '../oauth/app.ts';
import { AppError } from '../platform/errors.ts';
import type { SignInFeature } from './feature.ts';

/**
 * Owns what a browser sees when the user submits a form of an interaction twice, or returns to one that has ended. The same form repeats
 * its first answer. A reopened page leads to the current one. A different form is refused, with a link to continue.
 */

/** @returns the interaction id in this address if the browser's cookie has the same id. That interaction may have ended. */
function ownUid(ctx: Context, { provider }: App<SignInFeature>): string | undefined {
  const cookie = ctx.cookies.get(provider.cookieName('interaction'), { signed: true });
  return cookie && cookie === ctx['params'].uid ? cookie : undefined;
}

/**
 * Answers a form that the browser sends again. @param form a form whose CSRF token was verified. @returns false when the form is new and
 * the caller must handle it.
 */
export async function pressedBefore(ctx: Context, app: App<SignInFeature>, form: URLSearchParams): Promise<boolean> {
  const uid = ownUid(ctx, app);
  const answer = await answeredBefore(ctx, app.database, { browser: uid ?? '', form });
  if (!answer) return false;
  if (!uid || !(await leadToEnd(ctx, app, uid, answer))) giveAnswer(ctx, answer);
  return true;
}

/**
 * Answers a request for an interaction that no longer exists.
 * @param error the reason why the request cannot continue. @throws that error, when there is no page to lead to.
 */
export async function answerLate(ctx: Context, app: App<SignInFeature>, error: unknown): Promise<undefined> {
  const uid = error instanceof AppError && error.code === 'interaction_expired' ? ownUid(ctx, app) : undefined;
  if (!uid) throw error;
  const led = await findWhereItLed(app.database, uid);
  if (ctx.method === 'POST' && ctx.is('application/x-www-form-urlencoded')) {
    const form = await readForm(ctx);
    const answer = await answerToFirst(ctx, app.database, { browser: uid, form });
    if (answer && (await leadToEnd(ctx, app, uid, answer))) return undefined;
    if (answer && led) return leadOn(ctx, app, led);
  }
  if (!led) throw error;
  if (ctx.method !== 'POST') return (await repeatPage(ctx, app, uid, led)) ? undefined : leadOn(ctx, app, led);
  if ('next' in led) ctx.state.standsAt = led.next;
  else ctx.state.wayBack = await findWayBack(ctx, app.provider, led);
  throw error;
}

/** The first answer led to the end of the interaction, which has been reached since then. The library would find no interaction there. */
async function leadToEnd(ctx: Context, app: App<SignInFeature>, uid: string, { headers }: Answer): Promise<boolean> {
  const path = URL.parse(headers['Location'] ?? '')?.pathname;
  return path?.endsWith(`/${uid}`) ? repeatEnding(ctx, app, uid) : false;
}

/** Repeats the next page with the cookies it needs: the user may have gone back before they arrived. */
async function repeatPage(ctx: Context, app: App<SignInFeature>, uid: string, led: WhereItLed): Promise<boolean> {
  return 'next' in led && repeatEnding(ctx, app, uid);
}

/** Redirects to the next page, or shows that the request was answered, with a link to the client. */
async function leadOn(ctx: Context, app: App<SignInFeature>, led: WhereItLed): Promise<undefined> {
  if ('next' in led) {
    seeOther(ctx, led.next);
    return;
  }
  ctx.state.pagePath = `/interaction/${encodeURIComponent(ctx['params'].uid)}`;
  render(ctx, 'interaction/finished', { wayBack: await findWayBack(ctx, app.provider, led) });
}
