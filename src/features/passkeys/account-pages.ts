import type { Context } from 'koa';
import { LIMITS, limitRate, takeBack } from '../../http/rate-limit.ts';
import { seeOther } from '../../http/redirects.ts';
import { render } from '../../http/render.ts';
import { allowOwnRequests } from '../../http/security-headers.ts';
import { visitorOf } from '../../http/visitor.ts';
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
import { newChallenge, spendChallenge } from './challenges.ts';
import { enrolmentOptions, enrolPasskey, type PasskeyRefusal, passkeyName, removePasskey, renamePasskey } from './passkeys.ts';

/** Owns the pages that add, rename and remove passkeys. See features/passkeys/passkeys.ts for their verification. */

export async function showNewPasskey(ctx: Context, app: App): Promise<void> {
  const there = await visitToAdd(ctx, app, 'passkey');
  if (there) page(there);
}

/** Answers the page's script with the options of the new passkey. */
export async function offerEnrolment(ctx: Context, app: App): Promise<void> {
  const there = await visitToAdd(ctx, app, 'passkey');
  if (!there) return;
  const { database, config } = app;
  const challenge = newChallenge(config.cookieKeys, subject(there));
  ctx.set('Cache-Control', 'no-store');
  ctx.body = await enrolmentOptions(database, config.issuer, there.account, challenge);
}

export async function addPasskey(ctx: Context, app: App): Promise<void> {
  const sent = await visitWithForm(ctx, app, { filledIn: true, adds: 'passkey' });
  if (!sent) return;
  const { there, form } = sent;
  const { database, config } = app;
  const visitor = visitorOf(ctx);
  await limitRate(database, LIMITS.passkeyFromNetwork, visitor.address);
  const name = passkeyName(form.get('name') ?? '', visitor.browser ?? 'Passkey');
  const added = await enrolPasskey(database, config.issuer, {
    person: there.account,
    name,
    answer: form.get('credential') ?? '',
    spend: (challenge) => spendChallenge(database, config.cookieKeys, subject(there), challenge),
    along: [
      recordOwnEvent(there, 'passkey_added'),
      ...vouched(there),
      ...letterAbout(there, { factor: 'passkey', change: 'added', called: name }),
    ],
  });
  if (!added.ok) {
    ctx.state.logged = { ...ctx.state.logged, reason: added.reason };
    return page(there, problemOf(added.reason), 400);
  }
  await takeBack(database, LIMITS.passkeyFromNetwork, visitor.address);
  await rememberEnrolled(there.session);
  done(there, 'passkey_added');
}

export async function changePasskeyName(ctx: Context, app: App): Promise<void> {
  const sent = await visitWithForm(ctx, app);
  if (!sent) return;
  const { there, form } = sent;
  const name = passkeyName(form.get('name') ?? '', '');
  const renamed = name && (await renamePasskey(app.database, there.account.id, form.get('id') ?? '', name));
  if (renamed) await app.database.change(recordOwnEvent(there, 'passkey_renamed'));
  done(there, renamed ? 'passkey_renamed' : undefined);
}

export async function takePasskeyAway(ctx: Context, app: App): Promise<void> {
  const sent = await visitWithForm(ctx, app);
  if (!sent) return;
  const { there, form } = sent;
  const { database } = app;
  const id = form.get('id') ?? '';
  const kept = async () => (await factorsOf(database, there.account.id)).passkeys.find((passkey) => passkey.id === id);
  const called = (await kept())?.name;
  if (called === undefined) return done(there);
  await database.transaction(removePasskey(there.account.id, id));
  if (await kept()) {
    seeOther(ctx, `${FACTORS_PATH}?kept=last`);
    return;
  }
  await database.transaction([
    recordOwnEvent(there, 'passkey_removed'),
    ...letterAbout(there, { factor: 'passkey', change: 'removed', called }),
  ]);
  done(there, 'passkey_removed');
}

function problemOf(reason: PasskeyRefusal): string {
  if (reason === 'known_already') return 'factors.passkey_known';
  return reason === 'too_many' ? 'factors.too_many_passkeys' : 'factors.passkey_not_added';
}

function page({ ctx, csrf }: FactorVisit, problem?: string, status = 200): void {
  allowOwnRequests(ctx);
  ctx.state.pagePath = `${FACTORS_PATH}/passkey`;
  render(ctx, 'account/new-passkey', { csrf, problem, action: `${FACTORS_PATH}/passkey`, again: wasStopped(ctx) }, status);
}

const subject = ({ session, account }: FactorVisit) => `enrolment ${session.uid} ${account.id}`;
