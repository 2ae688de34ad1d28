import { languageOf } from '../../http/language.ts';
import { OWN_PAGES } from '../../oauth/clients/first-party.ts';
import { listConnectedClients } from '../../oauth/store/connected-clients.ts';
import { listSessions } from '../../oauth/store/signed-in-browsers.ts';
import { adminAddress } from '../../pages/admin-place.ts';
import { countsOfAccount } from '../../pages/feature.ts';
import { type OwnPage, show } from '../../pages/own-pages.ts';
import { mayDo } from '../../pages/permissions.ts';

/** Owns the account's first page: links to every other page, each with a short summary. */
export const overview: OwnPage = {
  async show(visit) {
    const { account, ctx, app } = visit;
    const [clients, sessions, counts] = await Promise.all([
      listConnectedClients(app.database, account.id, OWN_PAGES, languageOf(ctx)),
      listSessions(app.database, account.id),
      countsOfAccount(app.features, app.database, account.id),
    ]);
    show(visit, 'account/overview', {
      account: { name: account.name, email: account.email, username: account.username },
      apps: clients.length,
      sessions: sessions.length,
      ...counts,
      administration: mayDo(account.role, 'admin:read') ? adminAddress(app.config) : undefined,
    });
  },
};
