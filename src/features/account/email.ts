import { LIMITS, limitRate } from '../../http/rate-limit.ts';
import { visitorOf } from '../../http/visitor.ts';
import { writeTogether } from '../../oauth/store/unit-of-work.ts';
import { sentToProve } from '../../pages/fresh-proof.ts';
import { alarm, backTo, kept, letter, type OwnPage, recordOwnEvent, show, type Visit } from '../../pages/own-pages.ts';
import { ownSession } from '../../pages/own-session.ts';
import { emailProblem, isSameAddress, mailboxOf, normalizeEmail } from '../../people/email-address.ts';
import { endProofsOf, findProof, handleOf, newProof, PROOF_MINUTES, proveByCode, proveByLink, redeemProof } from '../../people/proofs.ts';
import { isAddressTaken } from '../../people/store.ts';
import { isUniqueViolation } from '../../platform/sql-errors.ts';
import { changeEmail, forgetPendingChange, type PendingChange, pendingChange } from './email-change.ts';

/**
 * Owns the page that changes the address: a code goes to the new address, and after the change a mail to the old one. If the new address
 * already has an account, no code is sent and none is valid. The page does not reveal it.
 */

const PATH = '/account/email';
const PURPOSE = 'change_email';
export const email: OwnPage = {
  recent: true,

  async show(visit) {
    const pending = await pendingChange(visit.app.database, visit.account.id);
    const token = visit.ctx.query['token'];
    // Ask for the mailbox proof before the new address. A pending change has already passed it.
    if (!pending && token === undefined && sentToProve(visit.ctx, ownSession(visit), 'email')) return;
    if (typeof token !== 'string') return page(visit, { pending });
    // Opening the link changes nothing, since mail scanners open links too.
    page(visit, (await isOwn(visit, token)) ? { pending, token } : { pending, problem: 'account.email.gone' });
  },

  /** `email` requests a code. `code` or the link's `token` proves the address. `other` cancels the pending change. */
  async submit(visit, form) {
    if (form.has('token')) return proveByToken(visit, form.get('token') ?? '');
    if (form.has('code')) return prove(visit, form.get('code') ?? '');
    if (!form.has('other')) return sentToProve(visit.ctx, ownSession(visit), 'email') ? undefined : ask(visit, form.get('email') ?? '');
    const { account, app } = visit;
    await app.database.change(forgetPendingChange(account.id));
    backTo(visit, PATH, false);
  },
};

async function ask(visit: Visit, typed: string): Promise<void> {
  const { account, ctx, app } = visit;
  const { config, database, keyRing } = app;
  const wanted = normalizeEmail(typed);
  if (emailProblem(typed)) return page(visit, { typed, problem: 'account.email.wrong' });
  if (isSameAddress(wanted, account.email)) return page(visit, { typed, problem: 'account.email.same' });
  // Count before any account lookup, so that the limit answers alike for every address.
  await limitRate(database, LIMITS.lettersFromNetwork, visitorOf(ctx).address);
  await limitRate(database, LIMITS.lettersToAddress, `change ${mailboxOf(wanted)}`);
  const free = !(await isAddressTaken(database, wanted));
  const { code, secret, statement } = newProof(keyRing, { purpose: PURPOSE, email: wanted, accountId: account.id, told: free });
  await writeTogether(database, [
    { purpose: 'end', statement: forgetPendingChange(account.id) },
    { purpose: 'keep', statement },
    ...kept(free ? letter(visit, wanted, PURPOSE, { code, link: `${config.issuer}${PATH}?token=${secret}`, minutes: PROOF_MINUTES }) : []),
  ]);
  backTo(visit, PATH, false);
}

async function prove(visit: Visit, code: string): Promise<void> {
  const { account, app } = visit;
  const { database, keyRing } = app;
  const pending = await pendingChange(database, account.id);
  if (!pending) return page(visit, { problem: 'account.email.gone' });
  const answer = await proveByCode(database, keyRing, PURPOSE, pending.handle, code);
  if (answer === 'gone') return page(visit, { pending, problem: 'account.email.gone' });
  if ('wrong' in answer) return page(visit, { pending, problem: 'account.email.code_wrong', left: answer.wrong });
  if (!(await keep(visit, pending))) return page(visit, { problem: 'account.email.gone' });
  backTo(visit, PATH);
}

/** The link works only in a browser where the same user is signed in, so another reader of the mail cannot use it. */
async function isOwn({ account, app }: Visit, token: string): Promise<boolean> {
  const proof = await findProof(app.database, PURPOSE, handleOf(token));
  return proof?.accountId === account.id && !proof.proven;
}

async function proveByToken(visit: Visit, token: string): Promise<void> {
  const proof = (await isOwn(visit, token)) ? await proveByLink(visit.app.database, PURPOSE, token) : undefined;
  if (!proof || !(await keep(visit, proof))) return page(visit, { problem: 'account.email.gone' });
  backTo(visit, PATH);
}

/** @returns false when another account has the address by now, or this account's address has changed. */
async function keep(visit: Visit, { handle, email: proven }: PendingChange): Promise<boolean> {
  const { account, app } = visit;
  try {
    return await writeTogether(app.database, [
      { purpose: 'end', once: true, statement: redeemProof({ purpose: PURPOSE, handle }, 'code') },
      { purpose: 'keep', once: true, statement: changeEmail(account.id, account.email, proven) },
      // A proof sent to the old address is no longer valid.
      { purpose: 'end', statement: endProofsOf(account.id) },
      { purpose: 'keep', statement: recordOwnEvent(visit, 'email_changed') },
      ...kept(alarm(visit, 'email_changed', 'email_changed', { email: proven })),
    ]);
  } catch (error) {
    if (isUniqueViolation(error)) return false;
    throw error;
  }
}

function page(visit: Visit, data: { pending?: PendingChange; token?: string; typed?: string; problem?: string; left?: number }): void {
  const { pending, token, typed = '', problem, left = 0 } = data;
  show(visit, 'account/email', { current: visit.account.email, waiting: pending?.email, token, typed, problem, left });
}
