import { recordEvent } from '../../../audit/events.ts';
import { supported } from '../../../http/language.ts';
import { visitorOf } from '../../../http/visitor.ts';
import { displayName } from '../../../oauth/clients/display-name.ts';
import { lockClient } from '../../../oauth/clients/owners.ts';
import { writeTogether } from '../../../oauth/store/unit-of-work.ts';
import { backTo, kept, type OwnPage, recordOwnEvent, show, type Visit } from '../../../pages/own-pages.ts';
import { spellingsOf } from '../../../people/email-address.ts';
import { securityLetter } from '../../../people/security-letters.ts';
import { type Account, findAccount } from '../../../people/store.ts';
import type { Statement } from '../../../platform/database.ts';
import { pathOf } from '../clients/owned.ts';
import { acceptInvitation, declineInvitation, findInvitation, listInvitationsTo } from './open-invitations.ts';

/** Owns the invitations to a user, found by a proven address: to share a client, or to take it over. */

const PATH = '/developer/invitations';

export const invitations: OwnPage = {
  recent: true,

  async show(visit) {
    await page(visit);
  },

  /** `invitation` is its id, `answer` is `accept` or `decline`. */
  async submit(visit, form) {
    const { account, app } = visit;
    const { database } = app;
    const offer = account.emailVerified
      ? await findInvitation(database, spellingsOf(account.email), form.get('invitation') ?? '')
      : undefined;
    if (!offer) return page(visit, 'developer.invitations.gone');
    if (form.get('answer') === 'decline') {
      await writeTogether(database, [{ purpose: 'end', statement: declineInvitation(offer.id, spellingsOf(account.email)) }]);
      return backTo(visit, PATH);
    }
    if (form.get('answer') !== 'accept') return page(visit);
    const inviter = await findAccount(database, offer.by);
    const name = displayName(offer.client_name ?? undefined, offer.client_id);
    const [joins, ...rest] = acceptInvitation(offer, spellingsOf(account.email), account.id);
    const accepted = await writeTogether(database, [
      { purpose: 'keep', apart: true, statement: lockClient(offer.client_id) },
      { purpose: 'keep', once: true, statement: joins },
      ...kept(rest),
      { purpose: 'keep', statement: recordOwnEvent(visit, 'client_owner_joined', { clientId: offer.client_id }) },
      ...kept(inviter && inviter.id !== account.id ? joined(visit, inviter, name) : []),
      ...(offer.transfer && offer.by !== account.id ? kept([leftTo(visit, offer.by, offer.client_id)]) : []),
    ]);
    if (!accepted) return page(visit, 'developer.invitations.gone');
    backTo(visit, pathOf(offer.client_id, '/owners'));
  },
};

/** Mails the inviter in the inviter's language, because another user made the change. */
function joined({ ctx, account, app: { config, keyRing } }: Visit, inviter: Account, name: string): Statement[] {
  const language = supported(inviter.locale ?? '');
  const about = { app: name, invited: account.email };
  return securityLetter({ ctx, issuer: config.issuer, keyRing, account: inviter, language }, 'owner_joined', 'owner_joined', about);
}

/** The event appears in the activity of the owner who handed the client over, because another user made the change. */
const leftTo = ({ ctx, account }: Visit, accountId: string, clientId: string) =>
  recordEvent(visitorOf(ctx), { type: 'client_owner_left', accountId, actorId: account.id, clientId, detail: { transfer: true } });

async function page(visit: Visit, problem?: string): Promise<void> {
  const { account, app } = visit;
  const offers = account.emailVerified ? await listInvitationsTo(app.database, spellingsOf(account.email)) : [];
  show(visit, 'developer/invitations', {
    offers: offers.map(({ client_id: clientId, client_name: name, inviter, ...offer }) => ({
      ...offer,
      client: { id: clientId, name: displayName(name ?? undefined, clientId) },
      inviter: displayName(inviter, '?'),
    })),
    ...(problem && { problem }),
  });
}
