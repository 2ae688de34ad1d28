import { ownedAlone } from '../../oauth/clients/owners.ts';
import { endAccount } from '../../oauth/store/grants.ts';
import { writeTogether } from '../../oauth/store/unit-of-work.ts';
import { alarm, backTo, kept, type OwnPage, show, told, type Visit } from '../../pages/own-pages.ts';
import { GRACE_DAYS } from '../../people/openings.ts';
import { DAY } from '../../platform/clock.ts';
import { scheduleDeletion } from './grace.ts';

/**
 * Owns the request to delete an account. All sessions and grants end at once, and the account's data is deleted after some days
 * (oauth/store/prune.ts). Until then, a sign-in offers to cancel the deletion (features/account/restore.ts).
 */

export const deletion: OwnPage = {
  recent: true,
  endsSession: true,

  async show(visit) {
    await page(visit);
  },

  /** `certain` is the confirmation checkbox. */
  async submit(visit, form) {
    const { account, services } = visit;
    if (form.get('certain') !== 'yes') return page(visit, 'account.delete.not_certain');
    const until = new Date(Date.now() + GRACE_DAYS * DAY * 1000);
    const scheduled = await writeTogether(services.database, [
      { purpose: 'keep', once: true, statement: scheduleDeletion(account.id) },
      { purpose: 'end', statement: endAccount(account.id) },
      { purpose: 'keep', statement: told(visit, 'deletion_scheduled') },
      ...kept(alarm(visit, 'deletion_scheduled', 'deletion_scheduled', { until })),
    ]);
    // Another tab scheduled it a moment ago.
    if (!scheduled) return backTo(visit, '/account', false);
    show(visit, 'account/deleted', { until });
  },
};

async function page(visit: Visit, problem?: string): Promise<void> {
  const { account, services } = visit;
  const alone = await ownedAlone(services.database, account.id);
  show(visit, 'account/delete', { days: GRACE_DAYS, email: account.email, alone, ...(problem && { problem }) });
}
