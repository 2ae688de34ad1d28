import { LIMITS, limitRate } from '../../http/rate-limit.ts';
import { visitorOf } from '../../http/visitor.ts';
import { hasFreshProof, rememberMailProof } from '../../oauth/session/session-proofs.ts';
import { writeTogether } from '../../oauth/store/unit-of-work.ts';
import { NEEDED_FOR, type NeededFor } from '../../pages/fresh-proof.ts';
import { backTo, kept, letter, named, type OwnPage, show, type Visit } from '../../pages/own-pages.ts';
import { ownSession } from '../../pages/own-session.ts';
import { mailboxOf } from '../../people/email-address.ts';
import { newProof, PROOF_MINUTES, proveByCode, redeemProof } from '../../people/proofs.ts';
import { isMailAddress } from '../../platform/mail.ts';
import { forgetPendingProof, mailboxProven, pendingProof } from './mailbox-proof.ts';

/**
 * Owns the page on which a signed-in user proves access to the account's mailbox, before a new way to sign in is added. The user requests a
 * code by mail, which is valid only in the same session. Does not decide which pages need the proof: see pages/fresh-proof.ts.
 */

const PURPOSE = 'prove_mailbox';

export const proof: OwnPage = {
  recent: true,

  async show(visit) {
    if (hasFreshProof(ownSession(visit))) return backTo(visit, onward(visit), false);
    await page(visit);
  },

  /** `code` gives the proof; without it, the server mails a code. */
  async submit(visit, form) {
    return form.has('code') ? prove(visit, form.get('code') ?? '') : ask(visit);
  },
};

async function ask(visit: Visit): Promise<void> {
  const { account, ctx, app, session } = visit;
  const { database, keyRing } = app;
  if (!isMailAddress(account.email)) return page(visit, { problem: 'account.proof.no_mail' });
  await limitRate(database, LIMITS.lettersFromNetwork, visitorOf(ctx).address);
  await limitRate(database, LIMITS.lettersToAddress, `proof ${mailboxOf(account.email)}`);
  const { code, statement } = newProof(keyRing, {
    purpose: PURPOSE,
    email: account.email,
    accountId: account.id,
    payload: { session: session.uid },
    told: true,
  });
  await writeTogether(database, [
    { purpose: 'end', statement: forgetPendingProof(account.id, session.uid) },
    { purpose: 'keep', statement },
    ...kept(letter(visit, account.email, PURPOSE, { person: account.name, code, minutes: PROOF_MINUTES })),
  ]);
  backTo(visit, here(visit), false);
}

async function prove(visit: Visit, typed: string): Promise<void> {
  const { account, app, session } = visit;
  const { database, keyRing } = app;
  const handle = await pendingProof(database, account.id, session.uid);
  if (!handle) return page(visit, { problem: 'account.proof.gone' });
  const answer = await proveByCode(database, keyRing, PURPOSE, handle, typed);
  if (answer === 'gone') return page(visit, { problem: 'account.proof.gone' });
  if ('wrong' in answer) return page(visit, { problem: 'account.proof.code_wrong', left: answer.wrong });
  const proven = await writeTogether(database, [
    { purpose: 'end', once: true, statement: redeemProof({ purpose: PURPOSE, handle }, 'code') },
    { purpose: 'keep', once: true, statement: mailboxProven(account.id, answer.proof.email) },
  ]);
  if (!proven) return page(visit, { problem: 'account.proof.gone' });
  await rememberMailProof(ownSession(visit));
  backTo(visit, onward(visit), false);
}

async function page(visit: Visit, shown: { problem?: string; left?: number } = {}): Promise<void> {
  const { account, app, session } = visit;
  const waiting = (await pendingProof(app.database, account.id, session.uid)) !== undefined;
  const { title } = wanted(visit);
  show(visit, 'account/proof', { action: here(visit), email: account.email, waiting, wanted: title, ...shown });
}

/** @returns the page to continue to. The address selects one of our pages and never contains its path. */
function onward(visit: Visit): string {
  return wanted(visit).onward;
}

function wanted(visit: Visit): { title: string; onward: string } {
  const [what, which] = [named(visit, 'what'), named(visit, 'which')];
  const request = sealedRequest(visit);
  const ofFeatures = visit.app.features.map((feature) => feature.afterProof?.(what, which, request));
  const found = ofFeatures.find((one) => one !== undefined);
  if (found) return found;
  if (what === 'interaction' && /^[\w-]{1,64}$/.test(which)) return { title: 'links', onward: `/interaction/${which}` };
  return Object.hasOwn(NEEDED_FOR, what) && which === ''
    ? { title: what, onward: NEEDED_FOR[what as NeededFor] }
    : { title: 'passkey', onward: '/account' };
}

/** @returns this page's path with the client's sealed request: see features/federation/account/connect-request.ts. */
function here(visit: Visit): string {
  const request = sealedRequest(visit);
  return request === undefined ? visit.ctx.path : `${visit.ctx.path}?request=${request}`;
}

function sealedRequest({ ctx }: Visit): string | undefined {
  const request = ctx.query['request'];
  return typeof request === 'string' && /^[\w.-]{1,8000}$/.test(request) ? request : undefined;
}
