import { languageOf } from '../../http/language.ts';
import { OWN_PAGES } from '../../oauth/clients/first-party.ts';
import { logosOf } from '../../oauth/clients/logos.ts';
import { initialOf } from '../../oauth/consent/client-facts.ts';
import { byProvider } from '../../oauth/scopes/scope-words.ts';
import { listConnectedClients } from '../../oauth/store/connected-clients.ts';
import { revokeGrantsTo } from '../../oauth/store/grants.ts';
import { writeTogether } from '../../oauth/store/unit-of-work.ts';
import { describe } from '../../pages/described-app.ts';
import { backTo, type OwnPage, show, told } from '../../pages/own-pages.ts';
import { isStorable } from '../../platform/database.ts';

/** Owns the list of clients to which a user granted access, and the revocation of a grant. */

export const apps: OwnPage = {
  async show(visit) {
    const { account, ctx, services } = visit;
    const clients = await listConnectedClients(services.database, account.id, OWN_PAGES, languageOf(ctx));
    const logos = await logosOf(
      services.database,
      clients.map(({ id }) => id),
    );
    show(visit, 'account/apps', {
      apps: clients
        .map((client) => describe(client, services, languageOf(ctx)))
        .map((app) => ({ ...app, groups: byProvider(app.scopes), initial: initialOf(app.name), logo: logos.get(app.id) })),
    });
  },

  /** `client` names the client. All its access ends, on every device. */
  async submit(visit, form) {
    const { account, services } = visit;
    const clientId = form.get('client') ?? '';
    const revoked =
      isStorable(clientId) &&
      !OWN_PAGES.includes(clientId) &&
      (await writeTogether(services.database, [
        { purpose: 'end', once: true, statement: revokeGrantsTo(clientId, account.id) },
        { purpose: 'keep', statement: told(visit, 'access_revoked', { clientId }) },
      ]));
    backTo(visit, '/account/apps', revoked);
  },
};
