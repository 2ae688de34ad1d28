import { languageOf } from '../../http/language.ts';
import { OWN_PAGES } from '../../oauth/clients/first-party.ts';
import { logosOf } from '../../oauth/clients/logos.ts';
import { initialOf } from '../../oauth/consent/client-facts.ts';
import { byProvider } from '../../oauth/scopes/scope-words.ts';
import { listConnectedClients } from '../../oauth/store/connected-clients.ts';
import { revokeGrantsTo } from '../../oauth/store/grants.ts';
import { writeTogether } from '../../oauth/store/unit-of-work.ts';
import { describe } from '../../pages/described-app.ts';
import { backTo, type OwnPage, recordOwnEvent, show } from '../../pages/own-pages.ts';
import { isStorable } from '../../platform/database.ts';

/** Owns the list of clients to which a user granted access, and the revocation of a grant. */

export const apps: OwnPage = {
  async show(visit) {
    const { account, ctx, app } = visit;
    const clients = await listConnectedClients(app.database, account.id, OWN_PAGES, languageOf(ctx));
    const logos = await logosOf(
      app.database,
      clients.map(({ id }) => id),
    );
    show(visit, 'account/apps', {
      apps: clients
        .map((client) => describe(client, app, languageOf(ctx)))
        .map((client) => ({ ...client, groups: byProvider(client.scopes), initial: initialOf(client.name), logo: logos.get(client.id) })),
    });
  },

  /** `client` names the client. All its access ends, on every device. */
  async submit(visit, form) {
    const { account, app } = visit;
    const clientId = form.get('client') ?? '';
    const revoked =
      isStorable(clientId) &&
      !OWN_PAGES.includes(clientId) &&
      (await writeTogether(app.database, [
        { purpose: 'end', once: true, statement: revokeGrantsTo(clientId, account.id) },
        { purpose: 'keep', statement: recordOwnEvent(visit, 'access_revoked', { clientId }) },
      ]));
    backTo(visit, '/account/apps', revoked);
  },
};
