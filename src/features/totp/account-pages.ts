import type { Context } from 'koa';
import { renderSVG } from 'uqr';
import { forgive, LIMITS, limitRate } from '../../http/rate-limit.ts';
import { render } from '../../http/render.ts';
import type { App } from '../../oauth/app.ts';
import { rememberEnrolled } from '../../oauth/session/session-proofs.ts';
import {
  done,
  FACTORS_PATH,
  type FactorVisit,
  letterAbout,
  visitToAdd,
  visitWithForm,
  vouched,
  wasStopped,
} from '../../pages/factor-visit.ts';
import { recordOwnEvent } from '../../pages/own-pages.ts';
import { factorsOf } from '../../people/factors.ts';
import { beginTotp, confirmTotp, removeTotp, resumeTotp, type TotpEnrolment } from './totp.ts';

/**
 * Owns the pages that set up and remove an authenticator app. The setup shows a QR code, the same secret as text, and asks for a first code
 * as proof.
 */

export async function showNewTotp(ctx: Context, app: App): Promise<void> {
  const there = await visitToAdd(ctx, app, 'totp');
  if (!there) return;
  // An account has one authenticator app. The user must remove it before setting up another one.
  if ((await factorsOf(app.database, there.account.id)).totpSince) return done(there);
  page(there, beginTotp(enrolling(there), labels(there)));
}

export async function addTotp(ctx: Context, app: App): Promise<void> {
  const sent = await visitWithForm(ctx, app, { filledIn: true, adds: 'totp' });
  if (!sent) return;
  const { there, form } = sent;
  const { database } = app;
  const [sealed, code] = [form.get('sealed') ?? '', form.get('code') ?? ''];
  await limitRate(database, LIMITS.totpOfAccount, there.account.id);
  const along = [recordOwnEvent(there, 'totp_added'), ...vouched(there), ...letterAbout(there, { factor: 'totp', change: 'added' })];
  const verdict = await confirmTotp(database, enrolling(there), { sealed, code, along });
  if (verdict.ok) {
    await forgive(database, LIMITS.totpOfAccount, there.account.id);
    await rememberEnrolled(there.session);
    return done(there, 'totp_added');
  }
  // Another tab has already set one up.
  if (verdict.reason === 'taken') return done(there);
  const same = verdict.reason === 'wrong' ? resumeTotp(enrolling(there), sealed, labels(there)) : undefined;
  page(there, same ?? beginTotp(enrolling(there), labels(there)), same ? 'factors.totp_wrong' : 'factors.totp_expired', 400);
}

export async function takeTotpAway(ctx: Context, app: App): Promise<void> {
  const sent = await visitWithForm(ctx, app);
  if (!sent) return;
  const { there } = sent;
  const { database } = app;
  if (!(await factorsOf(database, there.account.id)).totpSince) return done(there);
  await database.transaction([
    ...removeTotp(there.account.id),
    recordOwnEvent(there, 'totp_removed'),
    ...letterAbout(there, { factor: 'totp', change: 'removed' }),
  ]);
  done(there, 'totp_removed');
}

function page({ ctx, csrf }: FactorVisit, { uri, secret, sealed }: TotpEnrolment, problem?: string, status = 200): void {
  ctx.state.pagePath = `${FACTORS_PATH}/totp`;
  render(
    ctx,
    'account/new-totp',
    {
      csrf,
      problem,
      sealed,
      uri,
      qr: renderSVG(uri, { border: 3, ecc: 'M', pixelSize: 4 }),
      secret: secret.match(/.{1,4}/g)?.join(' '),
      action: `${FACTORS_PATH}/totp`,
      again: wasStopped(ctx),
    },
    status,
  );
}

const enrolling = ({ account, session, app }: FactorVisit) => ({
  keyRing: app.keyRing,
  accountId: account.id,
  sessionUid: session.uid,
});

/** What the app displays: the server and the account. */
const labels = ({ account, app }: FactorVisit) => ({
  issuer: `Munjigi (${new URL(app.config.issuer).hostname})`,
  label: account.email,
});
