import type { Context } from 'koa';
import { render } from '../../http/render.ts';
import type { App } from '../../oauth/app.ts';
import { done, FACTORS_PATH, letterAbout, visitToAdd, visitWithForm, vouched, wasStopped } from '../../pages/factor-visit.ts';
import { recordOwnEvent } from '../../pages/own-pages.ts';
import { factorsOf } from '../../people/factors.ts';
import { newRecoveryCodes, replaceRecoveryCodes } from './new-recovery-codes.ts';

/** Owns the creation of recovery codes. Only the page that answers the form shows them. */

export async function showRecoveryCodes(ctx: Context, app: App): Promise<void> {
  const there = await visitToAdd(ctx, app, 'recovery-codes');
  if (!there) return;
  const { passkeys, totpSince, recoveryCodesLeft } = await factorsOf(app.database, there.account.id);
  // Recovery codes replace a factor, so an account without one cannot have them.
  if (!passkeys.length && !totpSince) return done(there);
  page(ctx, { csrf: there.csrf, left: recoveryCodesLeft });
}

export async function makeRecoveryCodes(ctx: Context, app: App): Promise<void> {
  const sent = await visitWithForm(ctx, app, { adds: 'recovery-codes' });
  if (!sent) return;
  const { there } = sent;
  const { passkeys, totpSince } = await factorsOf(app.database, there.account.id);
  if (!passkeys.length && !totpSince) return done(there);
  const codes = newRecoveryCodes();
  await app.database.transaction([
    ...replaceRecoveryCodes(app.keyRing, there.account.id, codes),
    recordOwnEvent(there, 'recovery_codes_made'),
    ...vouched(there),
    ...letterAbout(there, { factor: 'recovery_codes', change: 'added' }),
  ]);
  page(ctx, { csrf: there.csrf, codes });
}

function page(ctx: Context, data: { csrf: string; left?: number | undefined; codes?: string[] }): void {
  ctx.state.pagePath = `${FACTORS_PATH}/recovery-codes`;
  render(ctx, 'account/recovery-codes', { ...data, action: `${FACTORS_PATH}/recovery-codes`, again: wasStopped(ctx), back: FACTORS_PATH });
}
