import type { Context, Next } from 'koa';
import compose from 'koa-compose';
import type { Provider } from 'oidc-provider';
import { assertOurOrigin } from '../../http/csrf.ts';
import { readForm, replaceBody } from '../../http/form.ts';
import { LIMITS, type Limit, limitRate, takeBack } from '../../http/rate-limit.ts';
import { visitorOf } from '../../http/visitor.ts';
import { ROUTES } from '../../oauth/routes.ts';
import type { Config } from '../../platform/config.ts';
import type { Database } from '../../platform/database.ts';
import { AppError } from '../../platform/errors.ts';
import { isUserCode, typedUserCode } from './device-pages.ts';

/** Owns what the library leaves open in the device flow (RFC 8628): tolerant input, limits on guesses, and the polling interval. */

const INTERVAL_SECONDS = 5;

/** @returns middleware around the library's own endpoints. */
export function deviceFlow(provider: Provider, config: Config, database: Database) {
  return compose<Context>([prefill, takeForm(provider, config, database), tellInterval, keepPace(database)]);
}

/** A code in the address only fills in the form. The library would submit the form by itself (RFC 8628 section 5.4). */
async function prefill(ctx: Context, next: Next): Promise<void> {
  if (ctx.path === ROUTES.code_verification && ctx.method === 'GET' && ctx.query['user_code'] !== undefined) {
    const { user_code, ...others } = ctx.query;
    const typed = typedUserCode([user_code].flat()[0]);
    ctx.state.typedUserCode = typed;
    // The language switch keeps a possible code and drops any other text.
    if (isUserCode(typed)) ctx.state.pageQuery = { user_code: typed };
    ctx.query = others;
  }
  await next();
}

/** Normalises the form for the library. Each unknown code counts as a guess. */
function takeForm(provider: Provider, { issuer }: Config, database: Database) {
  return async (ctx: Context, next: Next) => {
    if (ctx.path !== ROUTES.code_verification || ctx.method !== 'POST') return next();
    assertOurOrigin(ctx, issuer);
    const form = await readForm(ctx);
    const typed = typedUserCode(form.get('user_code'));
    ctx.state.typedUserCode = typed;
    replaceBody(
      ctx.req,
      Buffer.from(String(new URLSearchParams({ xsrf: form.get('xsrf') ?? '', user_code: typed, ...decision(form.getAll('decision')) }))),
    );
    if (!typed) return next();
    // A signed-in user's guesses count for that account only, so strangers cannot use up the guesses of everyone.
    const { accountId } = await provider.Session.get(ctx as never);
    const counted: [Limit, string][] =
      accountId === undefined
        ? [
            [LIMITS.userCodeFromNetwork, visitorOf(ctx).address],
            [LIMITS.userCode, ''],
          ]
        : [[LIMITS.userCodeOfAccount, accountId]];
    for (const [limit, key] of counted) await limitRate(database, limit, key);
    await next();
    if (!ctx['oidc']?.deviceCode) return;
    await Promise.all(counted.map(([limit, key]) => takeBack(database, limit, key)));
  };
}

/** Only a clear yes approves; anything else denies. A form without `decision` only submits the code. */
function decision(values: string[]): Record<string, string> {
  if (!values.length) return {};
  return values.every((value) => value === 'approve') ? { confirm: 'yes' } : { abort: 'yes' };
}

async function tellInterval(ctx: Context, next: Next): Promise<void> {
  await next();
  if (ctx.path === ROUTES.device_authorization && ctx.status === 200)
    ctx.body = { ...(ctx.body as Record<string, unknown>), interval: INTERVAL_SECONDS };
}

/** A device that polls too fast before the user has answered gets `slow_down` (RFC 8628 section 3.5). */
function keepPace(database: Database) {
  return async (ctx: Context, next: Next) => {
    await next();
    if (ctx.path !== ROUTES.token || (ctx.body as { error?: string } | undefined)?.error !== 'authorization_pending') return;
    try {
      await limitRate(database, LIMITS.devicePoll, ctx['oidc'].params.device_code);
    } catch (error) {
      if (!(error instanceof AppError) || error.status !== 429) throw error;
      ctx.body = { error: 'slow_down', error_description: `ask every ${INTERVAL_SECONDS} seconds, and 5 seconds less often from now on` };
      ctx.state.logged = { ...ctx.state.logged, error: 'slow_down', reason: error.reason };
    }
  };
}
