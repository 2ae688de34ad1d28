import { adminAddress } from '../authorization-server/own-pages/admin-place.ts';
import { type OwnPage, show } from '../authorization-server/own-pages/own-pages.ts';
import { mayDo } from '../authorization-server/own-pages/permissions.ts';
import { OWN_PAGES } from '../clients/first-party.ts';
import { listIdentities } from '../federation/identities.ts';
import { languageOf } from '../http/language.ts';
import { listConnectedClients } from '../protocol-store/connected-clients.ts';
import { listSessions } from '../protocol-store/signed-in-browsers.ts';

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
