import { logosOf } from '../../../oauth/clients/logos.ts';
import { initialOf } from '../../../oauth/consent/client-facts.ts';
import { type OwnPage, show } from '../../../pages/own-pages.ts';
import { spellingsOf } from '../../../people/email-address.ts';
import { listInvitationsTo } from '../owners/open-invitations.ts';
import { glanceAt } from './client-use.ts';
import { asksForNothing, placeOf } from './kinds.ts';
import { pathOf } from './owned.ts';
import { listOwnedClients } from './owned-clients.ts';
import { nameOf } from './page.ts';

/** Owns the portal's first page: the owner's clients, each with its kind and the next thing to do. */
export const clients: OwnPage = {
  async show(visit) {
    const { account, app } = visit;
    const { database } = app;
    const owned = await listOwnedClients(database, account.id);
    const ids = owned.map(({ id }) => id);
    const [glances, logos, offers] = await Promise.all([
      glanceAt(database, ids),
      logosOf(database, ids),
      account.emailVerified ? listInvitationsTo(database, spellingsOf(account.email)) : [],
    ]);
    show(visit, 'developer/clients', {
      invitations: offers.length,
      clients: owned.map((client) => {
        const { used = false, errors = 0 } = glances.find(({ id }) => id === client.id) ?? {};
        const name = nameOf(client);
        return {
          ...client,
          name,
          initial: initialOf(name),
          logo: logos.get(client.id),
          at: pathOf(client.id),
          kind: placeOf(client.metadata) ?? 'otherwise',
          errors: client.administers ? 0 : errors,
          untried: !used && !client.suspended_at && !client.administers && !asksForNothing(client.metadata),
        };
      }),
    });
  },
};
