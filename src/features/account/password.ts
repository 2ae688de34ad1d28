import { forgive, LIMITS, limitRate } from '../../http/rate-limit.ts';
import { endAccount } from '../../oauth/store/grants.ts';
import { writeTogether } from '../../oauth/store/unit-of-work.ts';
import { alarm, backTo, kept, type OwnPage, recordOwnEvent, show, type Visit } from '../../pages/own-pages.ts';
import { passwordProblem } from '../../people/password-policy.ts';
import { hashPassword, verifyPassword } from '../../people/passwords.ts';
import { endProofsOf } from '../../people/proofs.ts';
import { Prisma, type Statement } from '../../platform/database.ts';

/** Owns the change of a password. It ends every other session and every grant of the account. */

export const password: OwnPage = {
  recent: true,

  async show(visit) {
    page(visit, await hashOf(visit));
  },

  /** `current`, unless the account has no password, and `new`. */
  async submit(visit, form) {
    const { account, app, session } = visit;
    const { database } = app;
    const before = await hashOf(visit);
    const chosen = form.get('new') ?? '';
    if (before !== null && !(await isCurrent(visit, before, form.get('current') ?? '')))
      return page(visit, before, 'account.password.wrong');
    const problem = chosen ? passwordProblem(chosen, account) : 'account.password.missing';
    if (problem) return page(visit, before, problem);
    const changed = await writeTogether(database, [
      { purpose: 'keep', once: true, statement: changePassword(account.id, before, await hashPassword(chosen)) },
      { purpose: 'end', statement: endAccount(account.id, session.uid) },
      { purpose: 'end', statement: endProofsOf(account.id) },
      { purpose: 'keep', statement: recordOwnEvent(visit, 'password_changed') },
      ...kept(alarm(visit, 'password_changed', 'password_changed', {})),
    ]);
    // Another request changed the password a moment ago, so the typed one is no longer current.
    if (!changed) return page(visit, await hashOf(visit), 'account.password.wrong');
    backTo(visit, '/account/password');
  },
};

/** Each try counts before it is verified. A wrong one is recorded in the account's activity. */
async function isCurrent(visit: Visit, hash: string, typed: string): Promise<boolean> {
  const { account, app } = visit;
  await limitRate(app.database, LIMITS.currentPassword, account.id);
  if (await verifyPassword(hash, typed)) {
    await forgive(app.database, LIMITS.currentPassword, account.id);
    return true;
  }
  await app.database.change(recordOwnEvent(visit, 'password_change_failed'));
  return false;
}

async function hashOf({ account, app }: Visit): Promise<string | null> {
  const user = await app.database.prisma.user.findUnique({ where: { id: account.id }, select: { passwordHash: true } });
  return user?.passwordHash ?? null;
}

function page(visit: Visit, hash: string | null, problem?: string): void {
  show(visit, 'account/password', { has: hash !== null, email: visit.account.email, problem });
}

/**
 * Replaces exactly the password that was just verified, so that of two parallel forms the second changes nothing.
 * @param before the hash that was verified; null for an account without a password.
 */
function changePassword(accountId: string, before: string | null, hash: string): Statement {
  return Prisma.sql`
    update user_account set password_hash = ${hash}, updated_at = now()
    where id = ${accountId} and disabled_at is null and password_hash is not distinct from ${before}`;
}
