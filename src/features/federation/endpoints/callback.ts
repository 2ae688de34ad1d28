import Router from '@koa/router';
import type { Context } from 'koa';
import { readForm } from '../../../http/form.ts';
import { goOnward } from '../../../http/redirects.ts';
import type { Database } from '../../../platform/database.ts';
import { AppError } from '../../../platform/errors.ts';
import type { KeyRing } from '../../../platform/secrets.ts';
import { placeOf } from '../visits.ts';

/**
 * Owns the redirect URIs of upstream providers. It trusts and ends nothing: it forwards the answer to the path that began the visit. The
 * browser's cookies are there, so only that path can tell whether it is the same browser.
 */
export function upstreamCallbacks(database: Database, keyRing: KeyRing) {
  const router = new Router();
  router.get('/upstream/:provider/callback', (ctx) => carryOn(ctx, ctx.querystring));
  // Some providers answer with a form (OAuth 2.0 Form Post Response Mode), which a browser sends without our cookies. The page that goes on
  // makes the browser send them.
  router.post('/upstream/:provider/callback', async (ctx) => carryOn(ctx, (await readForm(ctx)).toString()));
  return router.routes();

  async function carryOn(ctx: Context, query: string): Promise<void> {
    const state = new URLSearchParams(query).get('state') ?? '';
    const place = await placeOf(database, keyRing, String(ctx['params'].provider), state);
    if (!place) throw new AppError('upstream_visit_gone', { status: 400, reason: 'upstream_visit_used_expired_or_unknown' });
    goOnward(ctx, `${place}?${query}`);
  }
}
