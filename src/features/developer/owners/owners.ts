import { LIMITS, limitRate } from '../../../http/rate-limit.ts';
import { visitorOf } from '../../../http/visitor.ts';
import { displayName } from '../../../oauth/clients/display-name.ts';
import type { ClientRecord } from '../../../oauth/clients/inspection.ts';
import { forgetOwner, leaveClient, listOwners, lockClient } from '../../../oauth/clients/owners.ts';
import { writeTogether } from '../../../oauth/store/unit-of-work.ts';
import { alarm, backTo, kept, letter, type OwnPage, recordOwnEvent, type Visit } from '../../../pages/own-pages.ts';
import { emailProblem, isSameAddress, mailboxOf, normalizeEmail } from '../../../people/email-address.ts';
import { nameOf, ownClient, pathOf } from '../clients/owned.ts';
import { showClient } from '../clients/page.ts';
import { INVITATION_DAYS, inviteOwner, listInvitations, MOST_INVITATIONS, withdrawInvitation } from './open-invitations.ts';

/**
 * Owns the shared ownership of a client. An owner invites others and can leave. An owner cannot remove another owner, since an invited one
 * could then take the client over. Only an operator can.
 */

export const owners: OwnPage = {
  recent: true,

  async show(visit) {
    await page(visit, await ownClient(visit));
  },

  /** `email` invites, with `transfer` to hand over one's own place. `withdraw` withdraws an invitation. `leave` leaves. */
  async submit(visit, form) {
    const client = await ownClient(visit);
    if (form.has('leave')) return leave(visit, client, form);
    if (form.has('withdraw')) return withdraw(visit, client, form.get('withdraw') ?? '');
    return invite(visit, client, form);
  },
};

async function invite(visit: Visit, client: ClientRecord, form: URLSearchParams): Promise<void> {
  const { account, ctx, app } = visit;
  const { config, database } = app;
  const typed = form.get('email') ?? '';
  const email = normalizeEmail(typed);
  const transfer = form.get('transfer') === 'yes';
  if (emailProblem(typed)) return page(visit, client, { typed, transfer, problem: 'account.email.wrong' });
  if (isSameAddress(email, account.email)) return page(visit, client, { typed, transfer, problem: 'developer.owners.yourself' });
  // Count before writing anything. The address is not looked up, so that the answer is the same with and without an account.
  await limitRate(database, LIMITS.ownerInvitations, account.id);
  await limitRate(database, LIMITS.lettersFromNetwork, visitorOf(ctx).address);
  await limitRate(database, LIMITS.lettersToAddress, `invitation ${mailboxOf(email)}`);
  const invited = await writeTogether(database, [
    { purpose: 'keep', apart: true, statement: lockClient(client.id) },
    { purpose: 'keep', once: true, statement: inviteOwner(client.id, account.id, email, transfer) },
    { purpose: 'keep', statement: recordOwnEvent(visit, 'client_owner_invited', { clientId: client.id, detail: { transfer } }) },
    ...kept(alarm(visit, 'owner_invited', 'owner_invited', { app: nameOf(client), invited: email })),
    ...kept(letter(visit, email, 'client_invitation', { link: `${config.issuer}/developer/invitations`, days: INVITATION_DAYS })),
  ]);
  if (!invited) return page(visit, client, { typed, transfer, problem: 'developer.owners.too_many' });
  backTo(visit, pathOf(client.id, '/owners'));
}

async function withdraw(visit: Visit, client: ClientRecord, id: string): Promise<void> {
  const statement = withdrawInvitation(client.id, id);
  // The invited user may have answered it a moment ago.
  if (statement)
    await writeTogether(visit.app.database, [
      { purpose: 'keep', once: true, statement },
      {
        purpose: 'keep',
        statement: recordOwnEvent(visit, 'client_changed', { clientId: client.id, detail: { changes: ['invitation_withdrawn'] } }),
      },
    ]);
  backTo(visit, pathOf(client.id, '/owners'));
}

async function leave(visit: Visit, client: ClientRecord, form: URLSearchParams): Promise<void> {
  const { account, app } = visit;
  if (form.get('certain') !== 'yes') return page(visit, client, { problem: 'developer.owners.not_certain' });
  const left = await writeTogether(app.database, [
    { purpose: 'keep', apart: true, statement: lockClient(client.id) },
    { purpose: 'end', once: true, statement: leaveClient(client.id, account.id) },
    ...kept(forgetOwner(client.id, account.id)),
    { purpose: 'keep', statement: recordOwnEvent(visit, 'client_owner_left', { clientId: client.id }) },
  ]);
  if (!left) return page(visit, client, { problem: 'developer.owners.last' });
  backTo(visit, '/developer');
}

async function page(
  visit: Visit,
  client: ClientRecord,
  { typed = '', transfer = false, problem }: { typed?: string; transfer?: boolean; problem?: string } = {},
): Promise<void> {
  const { account, app } = visit;
  const [known, invitations] = await Promise.all([listOwners(app.database, client.id), listInvitations(app.database, client.id)]);
  showClient(visit, client, 'owners', {
    owners: known.map(({ id, name, email, since }) => ({ name: displayName(name, email), email, since, you: id === account.id })),
    invitations,
    typed,
    transfer,
    values: { most: MOST_INVITATIONS },
    ...(problem && { problem }),
  });
}
