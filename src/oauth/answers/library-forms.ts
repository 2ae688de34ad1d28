import type { Context, Next } from 'koa';
import type { Provider } from 'oidc-provider';
import { readForm, replaceBody } from '../../http/form.ts';
import { giveAnswer } from '../../http/kept-answers.ts';
import { answerToFirst } from '../../http/presses.ts';
import type { Database } from '../../platform/database.ts';
import { ROUTES } from '../routes.ts';
import { answeredBefore } from './first-press.ts';

/** Owns a second press on the forms that the library handles itself: a device's code and its confirmation, and signing out. */

const PATHS = [ROUTES.code_verification, `${ROUTES.end_session}/confirm`];

/**
 * The library's token (`xsrf`) is in the browser's session. The first press may end the session or change the token.
 * Then the form with its token is the only proof. The answers of these forms carry no secret, and only that page's browser knows the token.
 */
export function answerLibraryForms({ provider, database }: { provider: Provider; database: Database }) {
  return async (ctx: Context, next: Next) => {
    if (ctx.method !== 'POST' || !PATHS.includes(ctx.path) || !ctx.is('application/x-www-form-urlencoded')) return next();
    const form = await readForm(ctx);
    replaceBody(ctx.req, Buffer.from(String(form)));
    const xsrf = form.get('xsrf');
    if (!xsrf) return next();
    const session = await provider.Session.get(ctx as never);
    const ours = session.state?.['secret'] === xsrf;
    const press = { browser: '', form };
    const answer = ours ? await answeredBefore(ctx, database, press) : await answerToFirst(ctx, database, press);
    if (!answer) return next();
    giveAnswer(ctx, answer);
  };
}
