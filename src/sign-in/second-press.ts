import type { Context } from 'koa';
import { readForm } from '../http/form.ts';
import { type Answer, giveAnswer } from '../http/kept-answers.ts';
import { answeredBefore, answerToFirst } from '../http/presses.ts';
import { render } from '../http/render.ts';
import { seeOther } from '../http/see-other.ts';
import { findWhereItLed, repeatEnding, type WhereItLed } from '../oauth/answers/endings.ts';
import { findWayBack } from '../oauth/answers/way-back.ts';
import { hearOfWrites } from '../oauth/store/unit-of-work.ts';
import { AppError } from '../platform/errors.ts';
import type { Services } from './step.ts';

/**
 * Owns what a browser sees that presses a button of an interaction twice, or comes back to one that has ended. The same form leads where it
 * led before. A page that is opened again leads on to where things stand. Another form than the first one is refused, with a way on.
 */

/** The interaction at this address, if its cookie says that it is this browser's; it may have ended. */
function ownUid(ctx: Context, { provider }: Services): string | undefined {
  const cookie = ctx.cookies.get(provider.cookieName('interaction'), { signed: true });
  return cookie && cookie === ctx['params'].uid ? cookie : undefined;
}

/** Answers a form that is sent a second time. @param form known to be ours. @returns false for one that is to be acted on. */
export async function pressedBefore(ctx: Context, services: Services, form: URLSearchParams): Promise<boolean> {
  const uid = ownUid(ctx, services);
  hearOfWrites(() => Object.assign(ctx.state, { pressChanged: true }));
  const answer = await answeredBefore(ctx, services.database, { browser: uid ?? '', form });
  if (!answer) return false;
  if (!uid || !(await leadToEnd(ctx, services, uid, answer))) giveAnswer(ctx, answer);
  return true;
}

/**
 * Answers a request for an interaction that is not there any more.
 * @param error the reason not to go on. @throws it, when there is nothing to lead on to.
 */
export async function answerLate(ctx: Context, services: Services, error: unknown): Promise<undefined> {
  const uid = error instanceof AppError && error.code === 'interaction_expired' ? ownUid(ctx, services) : undefined;
  if (!uid) throw error;
  const led = await findWhereItLed(services.database, uid);
  if (ctx.method === 'POST' && ctx.is('application/x-www-form-urlencoded')) {
    const form = await readForm(ctx);
    const answer = await answerToFirst(ctx, services.database, { browser: uid, form });
    if (answer && (await leadToEnd(ctx, services, uid, answer))) return undefined;
    if (answer && led) return leadOn(ctx, services, led);
  }
  if (!led) throw error;
  if (ctx.method !== 'POST') return (await repeatPage(ctx, services, uid, led)) ? undefined : leadOn(ctx, services, led);
  if ('next' in led) ctx.state.standsAt = led.next;
  else ctx.state.wayBack = await findWayBack(ctx, services.provider, led);
  throw error;
}

/** The first answer led to the end of the interaction, which has come meanwhile: the library would find nothing there. */
async function leadToEnd(ctx: Context, services: Services, uid: string, { headers }: Answer): Promise<boolean> {
  const path = URL.parse(headers['Location'] ?? '')?.pathname;
  return path?.endsWith(`/${uid}`) ? repeatEnding(ctx, services, uid) : false;
}

/** The page that came next, with the cookies that it needs: the browser may have gone back before they arrived. */
async function repeatPage(ctx: Context, services: Services, uid: string, led: WhereItLed): Promise<boolean> {
  return 'next' in led && repeatEnding(ctx, services, uid);
}

/** To the next page; or to one that says that this was answered, with the way to the app. */
async function leadOn(ctx: Context, services: Services, led: WhereItLed): Promise<undefined> {
  if ('next' in led) {
    seeOther(ctx, led.next);
    return;
  }
  ctx.state.pagePath = `/interaction/${encodeURIComponent(ctx['params'].uid)}`;
  render(ctx, 'interaction/finished', { wayBack: await findWayBack(ctx, services.provider, led) });
}
