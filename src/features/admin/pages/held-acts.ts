import { displayName } from '../../../oauth/clients/display-name.ts';
import { listLiveSecrets } from '../../../oauth/clients/live-secrets.ts';
import { listOwners } from '../../../oauth/clients/owners.ts';
import { listSessions } from '../../../oauth/store/signed-in-browsers.ts';
import { actPage } from '../../../pages/operators/acting.ts';
import { clientOf, personOf } from '../../../pages/operators/named.ts';
import { pathOfClient, pathOfPerson } from '../../../pages/operators/paths.ts';
import { named, type OwnPage } from '../../../pages/own-pages.ts';
import { findAccountRecord } from '../../../people/administration.ts';
import { AppError } from '../../../platform/errors.ts';
import * as clientActs from '../acts/clients.ts';
import * as ownerActs from '../acts/owners.ts';
import * as peopleActs from '../acts/people.ts';

/** Owns the pages on which operators end a session or a secret, and change the owners of a client. */

const endSession = actPage({
  act: peopleActs.endSession,
  words: 'end_session',
  grave: true,
  async ask(visit) {
    const person = await personOf(visit);
    const sessions = await listSessions(visit.app.database, person.id);
    const session = sessions.find(({ uid }) => uid === named(visit, 'session')) ?? nothingThere('no such session of theirs');
    const place = [session.browser, session.address].filter(Boolean).join(', ');
    return {
      target: session.uid,
      name: [person.email, place].filter(Boolean).join(' · '),
      back: pathOfPerson(person.id),
      facts: [{ label: 'admin.session.used', values: { time: session.used_at } }],
    };
  },
});

const endSecret = actPage({
  act: clientActs.endClientSecret,
  words: 'end_secret',
  grave: true,
  async ask(visit) {
    const client = await clientOf(visit);
    const secrets = await listLiveSecrets(visit.app.database, client.id);
    const secret = secrets.find(({ name }) => name === named(visit, 'secret')) ?? nothingThere('no such live secret');
    const made = { label: 'admin.secret.made', values: { time: secret.made } };
    const used = secret.used ? { label: 'admin.secret.used', values: { time: secret.used } } : { label: 'admin.secret.unused', values: {} };
    // Without its last secret, the client can no longer authenticate.
    const last = secrets.length === 1 ? [{ label: 'admin.secret.last', values: {} }] : [];
    return {
      target: secret.name,
      name: `${client.name} · ${secret.hint ?? secret.name}`,
      back: pathOfClient(client.id),
      facts: [made, used, ...last],
    };
  },
});

const addOwner = actPage({
  act: ownerActs.addClientOwner,
  words: 'add_owner',
  async ask(visit) {
    const client = await clientOf(visit);
    return {
      target: client.id,
      name: nameOf(client),
      back: pathOfClient(client.id),
      fields: [{ name: 'email', label: 'admin.person.email', hint: 'admin.client.owner_hint', kind: 'text' }],
      input: async (form) => ({ account: (await findAccountRecord(visit.app.database, form.get('email') ?? ''))?.id }),
    };
  },
});

const removeOwner = actPage({
  act: ownerActs.removeClientOwner,
  words: 'remove_owner',
  grave: true,
  async ask(visit) {
    const client = await clientOf(visit);
    const owners = await listOwners(visit.app.database, client.id);
    const owner = owners.find(({ id }) => id === named(visit, 'account')) ?? nothingThere('no such owner');
    return {
      target: client.id,
      name: `${nameOf(client)} · ${displayName(owner.name, owner.email)} · ${owner.email}`,
      back: pathOfClient(client.id),
      input: () => ({ account: owner.id }),
    };
  },
});

const nameOf = ({ id, name }: Awaited<ReturnType<typeof clientOf>>): string => (name === id ? id : `${name} · ${id}`);

/** @throws AppError 404 */
function nothingThere(reason: string): never {
  throw new AppError('not_found', { status: 404, reason });
}

export const pathOfSession = (accountId: string, uid: string): string =>
  pathOfPerson(accountId, `/sessions/${encodeURIComponent(uid)}/end`);
export const pathOfSecret = (clientId: string, name: string): string => pathOfClient(clientId, `/secrets/${name}/end`);
export const pathOfOwner = (clientId: string, accountId: string): string =>
  pathOfClient(clientId, `/owners/${encodeURIComponent(accountId)}/remove`);

export const HELD_ACT_PAGES: Record<string, OwnPage> = {
  '/admin/people/:account/sessions/:session/end': endSession,
  '/admin/clients/:client/secrets/:secret/end': endSecret,
  '/admin/clients/:client/owners/add': addOwner,
  '/admin/clients/:client/owners/:account/remove': removeOwner,
};
