import { languageOf } from '../../http/language.ts';
import { OWN_PAGES } from '../../oauth/clients/first-party.ts';
import { listConnectedClients } from '../../oauth/store/connected-clients.ts';
import { listSessions } from '../../oauth/store/signed-in-browsers.ts';
import { adminAddress } from '../../pages/admin-place.ts';
import { type OwnPage, show } from '../../pages/own-pages.ts';
import { mayDo } from '../../pages/permissions.ts';
import { listIdentities } from '../federation/identities.ts';

/** The way in: every other page, with what there is to know of it at a glance. */
export const overview: OwnPage = {
  async show(visit) {
    const { account, ctx, services } = visit;
    const [clients, sessions, links] = await Promise.all([
      listConnectedClients(services.database, account.id, OWN_PAGES, languageOf(ctx)),
      listSessions(services.database, account.id),
      listIdentities(services.database, account.id),
    ]);
    show(visit, 'account/overview', {
      account: { name: account.name, email: account.email, username: account.username },
      apps: clients.length,
      sessions: sessions.length,
      links: links.length,
      administration: mayDo(account.role, 'admin:read') ? adminAddress(services.config) : undefined,
    });
  },
};
