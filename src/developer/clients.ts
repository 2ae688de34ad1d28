import { type OwnPage, show } from '../authorization-server/own-pages.ts';
import { listInvitationsTo } from '../clients/co-owners.ts';
import { displayName } from '../clients/display-name.ts';
import { listOwnedClients } from '../clients/ownership.ts';

/** The way in: the clients that a person looks after. */
export const clients: OwnPage = {
  async show(visit) {
    const { account, services } = visit;
    const owned = await listOwnedClients(services.database, account.id);
    const offers = account.emailVerified ? await listInvitationsTo(services.database, account.email) : [];
    show(visit, 'developer/clients', {
      invitations: offers.length,
      clients: owned.map(({ name, ...client }) => ({ ...client, name: displayName(name ?? undefined, client.id) })),
    });
  },
};
