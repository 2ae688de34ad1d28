import type { Context } from 'koa';
import { render } from '../../http/render.ts';
import { done, FACTORS_PATH, letterAbout, visitToAdd, visitWithForm, vouched, wasStopped } from '../../pages/factor-visit.ts';
import type { FirstParty } from '../../pages/first-party.ts';
import { told } from '../../pages/own-pages.ts';
import { factorsOf } from '../../people/factors.ts';
import { KeyRing } from '../../platform/secrets.ts';
import { newRecoveryCodes, replaceRecoveryCodes } from './new-recovery-codes.ts';

/** Owns the creation of recovery codes. Only the page that answers the form shows them. */

export async function showRecoveryCodes(ctx: Context, services: FirstParty): Promise<void> {
  const there = await visitToAdd(ctx, services, 'recovery-codes');
  if (!there) return;
  const { passkeys, totpSince, recoveryCodesLeft } = await factorsOf(services.database, there.account.id);
  // Recovery codes replace a factor, so an account without one cannot have them.
  if (!passkeys.length && !totpSince) return done(there);
  page(ctx, { csrf: there.csrf, left: recoveryCodesLeft });
}

export async function makeRecoveryCodes(ctx: Context, services: FirstParty): Promise<void> {
  const sent = await visitWithForm(ctx, services, { adds: 'recovery-codes' });
  if (!sent) return;
  const { there } = sent;
  const { passkeys, totpSince } = await factorsOf(services.database, there.account.id);
  if (!passkeys.length && !totpSince) return done(there);
  const codes = newRecoveryCodes();
  const keyRing = new KeyRing(services.config.dataEncryptionKeys);
  await services.database.transaction([
    ...replaceRecoveryCodes(keyRing, there.account.id, codes),
    told(there, 'recovery_codes_made'),
    ...vouched(there),
    ...letterAbout(there, { factor: 'recovery_codes', change: 'added' }),
  ]);
  page(ctx, { csrf: there.csrf, codes });
}

function page(ctx: Context, data: { csrf: string; left?: number | undefined; codes?: string[] }): void {
  ctx.state.pagePath = `${FACTORS_PATH}/recovery-codes`;
  render(ctx, 'account/recovery-codes', { ...data, action: `${FACTORS_PATH}/recovery-codes`, again: wasStopped(ctx), back: FACTORS_PATH });
}
