import Router from '@koa/router';
import type { Context } from 'koa';
import { readForm } from '../../../http/form.ts';
import { goOnward } from '../../../http/onward.ts';
import type { Database } from '../../../platform/database.ts';
import { AppError } from '../../../platform/errors.ts';
import type { KeyRing } from '../../../platform/secrets.ts';
import { placeOf } from '../visits.ts';

/**
 * Owns the addresses that upstream providers send browsers back to. Nothing is believed and nothing ends here: what was brought is
 * carried on to the place that sent the browser, where its cookies are, and which alone can tell whether it is the same browser.
 */
export function upstreamCallbacks(database: Database, keyRing: KeyRing) {
  const router = new Router();
  router.get('/upstream/:provider/callback', (ctx) => carryOn(ctx, ctx.querystring));
  // Some answer with a form (OAuth 2.0 Form Post Response Mode), which a browser sends without our cookies: the page that goes on brings them.
  router.post('/upstream/:provider/callback', async (ctx) => carryOn(ctx, (await readForm(ctx)).toString()));
  return router.routes();

  async function carryOn(ctx: Context, query: string): Promise<void> {
    const state = new URLSearchParams(query).get('state') ?? '';
    const place = await placeOf(database, keyRing, String(ctx['params'].provider), state);
    if (!place) throw new AppError('upstream_visit_gone', { status: 400, reason: 'upstream_visit_used_expired_or_unknown' });
    goOnward(ctx, `${place}?${query}`);
  }
}
