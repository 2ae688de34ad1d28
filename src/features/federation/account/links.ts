import { csrfToken } from '../../../http/csrf.ts';
import { languageOf } from '../../../http/language.ts';
import { displayName } from '../../../oauth/clients/display-name.ts';
import { OWN_PAGES } from '../../../oauth/clients/first-party.ts';
import { listConnectedClients } from '../../../oauth/store/connected-clients.ts';
import { writeTogether } from '../../../oauth/store/unit-of-work.ts';
import { type DescribedApp, describe } from '../../../pages/described-app.ts';
import { alarm, backTo, kept, type OwnPage, recordOwnEvent, show, type Visit } from '../../../pages/own-pages.ts';
import { endIdentityUnlessLast, type Link, listLinks } from '../identities.ts';
import { listProviders } from '../providers.ts';
import { LINK_PROBLEMS, linkSubject } from './link-visit.ts';

/** Owns the list of a user's links to upstream providers, and the deletion of one. See link-visit.ts for how a link is made. */

export const links: OwnPage = {
  async show(visit) {
    await page(visit, LINK_PROBLEMS[String(visit.ctx.query['problem'])]);
  },

  /**
   * `unlink` names the provider. The tokens of the link are deleted with it and revoked at the provider: see features/federation/vault.ts.
   */
  async submit(visit, form) {
    const { account, app } = visit;
    const [link] = (await listLinks(app.database, account.id)).filter(({ providerId }) => providerId === form.get('unlink'));
    if (!link) return backTo(visit, '/account/links', false);
    const { lock, end } = endIdentityUnlessLast(account.id, link.providerId);
    const ended = await writeTogether(app.database, [
      { purpose: 'keep', statement: lock },
      { purpose: 'end', once: true, statement: end },
      { purpose: 'keep', statement: recordOwnEvent(visit, 'identity_unlinked', { detail: { provider: link.providerId } }) },
      ...kept(alarm(visit, 'identity_changed', 'identity_unlinked', { provider: link.provider.name, change: 'unlinked' })),
    ]);
    if (ended) return backTo(visit, '/account/links');
    // Another tab deleted the link a moment ago, or it is the only way to sign in.
    const left = (await listLinks(app.database, account.id)).some(({ providerId }) => providerId === link.providerId);
    await (left ? page(visit, 'account.links.last') : backTo(visit, '/account/links', false));
  },
};

async function page(visit: Visit, problem: string | undefined): Promise<void> {
  const { account, ctx, app } = visit;
  const { database, config } = app;
  const [linked, providers, clients] = await Promise.all([
    listLinks(database, account.id),
    listProviders(database),
    listConnectedClients(database, account.id, OWN_PAGES, languageOf(ctx)),
  ]);
  const apps = clients.map((client) => describe(client, app, languageOf(ctx)));
  show(visit, 'account/links', {
    links: linked.map((link) => ({ ...asRead(link), apps: actingAt(apps, link.providerId) })),
    others: providers.filter(({ id }) => !linked.some(({ providerId }) => providerId === id)).map(({ id, name }) => ({ id, name })),
    wish: csrfToken(config.cookieKeys, linkSubject(visit)),
    ...(problem === undefined ? undefined : { problem }),
  });
}

/** @returns a link as the page shows it. The subject is omitted, because it means nothing to the user. */
function asRead({ providerId, provider, details, createdAt, refreshedAt }: Link) {
  const told = [
    ['account.profile.name', displayName(details.name, '')],
    ['account.profile.username', displayName(details.username, '')],
    ['account.email.title', displayName(details.email, '')],
  ].filter(([, text]) => text);
  return {
    id: providerId,
    name: provider.name,
    disabled: provider.disabledAt !== null,
    told,
    createdAt,
    refreshedAt,
  };
}

/** @returns the clients that act for the user at this provider, with what each may do. */
function actingAt(apps: DescribedApp[], providerId: string) {
  return apps
    .map(({ name, scopes }) => ({ name, titles: scopes.filter(({ provider }) => provider?.id === providerId).map(({ title }) => title) }))
    .filter(({ titles }) => titles.length);
}
