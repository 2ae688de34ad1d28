import { endAccount } from '../../oauth/store/grants.ts';
import { writeTogether } from '../../oauth/store/unit-of-work.ts';
import { alarm, backTo, kept, type OwnPage, recordOwnEvent, show, type Visit } from '../../pages/own-pages.ts';
import { GRACE_DAYS } from '../../people/openings.ts';
import { DAY } from '../../platform/clock.ts';
import { type Database, Prisma } from '../../platform/database.ts';
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
    const { account, app } = visit;
    if (form.get('certain') !== 'yes') return page(visit, 'account.delete.not_certain');
    const until = new Date(Date.now() + GRACE_DAYS * DAY * 1000);
    const scheduled = await writeTogether(app.database, [
      { purpose: 'keep', once: true, statement: scheduleDeletion(account.id) },
      { purpose: 'end', statement: endAccount(account.id) },
      { purpose: 'keep', statement: recordOwnEvent(visit, 'deletion_scheduled') },
      ...kept(alarm(visit, 'deletion_scheduled', 'deletion_scheduled', { until })),
    ]);
    // Another tab scheduled it a moment ago.
    if (!scheduled) return backTo(visit, '/account', false);
    show(visit, 'account/deleted', { until });
  },
};

async function page(visit: Visit, problem?: string): Promise<void> {
  const { account, app } = visit;
  const alone = await ownedAlone(app.database, account.id);
  show(visit, 'account/delete', { days: GRACE_DAYS, email: account.email, alone, ...(problem && { problem }) });
}

/** @returns how many clients and APIs would have no owner without this account. */
async function ownedAlone(database: Database, accountId: string): Promise<{ clients: number; apis: number }> {
  const [row] = await database.query<{ clients: number; apis: number }>(Prisma.sql`
    select (
        select count(*)::int from client_owner o where o.account_id = ${accountId}
          and not exists (select from client_owner other where other.client_id = o.client_id and other.account_id <> ${accountId})) as clients,
      (select count(*)::int from resource_server where owner_id = ${accountId}) as apis`);
  return row ?? { clients: 0, apis: 0 };
}
