import Router from '@koa/router';
import type { Context } from 'koa';
import type { EventType } from '../../audit/events.ts';
import { render } from '../../http/render.ts';
import type { App } from '../../oauth/app.ts';
import { FACTORS_PATH, visit, wasStopped } from '../../pages/factor-visit.ts';
import { factorsOf } from '../../people/factors.ts';
import { makeRecoveryCodes, showRecoveryCodes } from './recovery-codes.ts';

/**
 * Owns the page on which a signed-in user manages factors besides the password. Viewing needs a complete sign-in. A change needs a sign-in
 * within the last five minutes, with a factor if the account has one.
 */

// The messages that the list may show. Anyone can write the query, so it selects one of these and carries no text itself.
const DONE: Partial<Record<EventType, string>> = {
  passkey_added: 'factors.done.passkey_added',
  passkey_renamed: 'factors.done.passkey_renamed',
  passkey_removed: 'factors.done.passkey_removed',
  totp_added: 'factors.done.totp_added',
  totp_removed: 'factors.done.totp_removed',
};
const FEW_CODES = 3;

export function factorRoutes(app: App) {
  const router = new Router();
  const at = (path: string) => `${FACTORS_PATH}${path}`;

  router.get(FACTORS_PATH, (ctx) => showFactors(ctx, app));

  router.get(at('/recovery-codes'), (ctx) => showRecoveryCodes(ctx, app));
  router.post(at('/recovery-codes'), (ctx) => makeRecoveryCodes(ctx, app));

  return router.routes();
}

async function showFactors(ctx: Context, app: App): Promise<void> {
  const there = await visit(ctx, app);
  if (!there) return;
  const { account, csrf } = there;
  const factors = await factorsOf(app.database, account.id);
  const any = factors.passkeys.length > 0 || factors.totpSince !== undefined;
  render(ctx, 'account/factors', {
    ...factors,
    csrf,
    any,
    fewCodes: any && (factors.recoveryCodesLeft ?? 0) <= FEW_CODES,
    did: Object.entries(DONE).find(([type]) => type === ctx.query['done'])?.[1],
    again: wasStopped(ctx),
    problem: ctx.query['kept'] === 'last' ? 'factors.last_way_in' : undefined,
  });
}
