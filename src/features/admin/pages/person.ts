import { type KeptEvent, listEvents } from '../../../audit/events.ts';
import { languageOf } from '../../../http/language.ts';
import { displayName } from '../../../oauth/clients/display-name.ts';
import { OWN_PAGES } from '../../../oauth/clients/first-party.ts';
import { listConnectedClients } from '../../../oauth/store/connected-clients.ts';
import { listSessions } from '../../../oauth/store/signed-in-browsers.ts';
import { countsOfAccount } from '../../../pages/feature.ts';
import { rolesWithin } from '../../../pages/operators/act.ts';
import { type Person, personOf } from '../../../pages/operators/named.ts';
import { pathOfClient, pathOfPerson } from '../../../pages/operators/paths.ts';
import { type OwnPage, show, type Visit } from '../../../pages/own-pages.ts';
import { allowedTo, mayDo } from '../../../pages/permissions.ts';
import { pathOfSession } from './held-acts.ts';
import { PERSON_ACTS } from './person-acts.ts';

/** Owns the operators' page of one user. It shows which factors exist, and nothing else about them. */

const EVENTS = 20;

export const person: OwnPage = {
  async show(visit) {
    const { ctx, app } = visit;
    const { database } = app;
    const { _count: factors, totp, passwordHash, ...them } = await personOf(visit);
    const language = languageOf(ctx);
    const [sessions, clients, counts, events] = await Promise.all([
      listSessions(database, them.id),
      listConnectedClients(database, them.id, OWN_PAGES, language),
      countsOfAccount(app.features, database, them.id),
      listEvents(database, them.id, { limit: EVENTS, language }),
    ]);
    const acts = actsOn(visit, them);
    show(visit, 'admin/person', {
      person: { ...them, name: displayName(them.name, them.id) },
      factors: { ...factors, totp: totp?.confirmedAt ? 1 : 0, password: passwordHash !== null },
      identities: counts['links'],
      sessions: sessions.map((session) => ({ ...session, ...(acts.length && { end: pathOfSession(them.id, session.uid) }) })),
      clients: clients.map(({ id, name, granted_at, used_at }) => ({
        path: pathOfClient(id),
        name: displayName(name ?? undefined, id),
        grantedAt: granted_at,
        usedAt: used_at,
      })),
      events: events.map((event): KeptEvent => ({ ...event, clientName: event.clientName && displayName(event.clientName, '') })),
      acts,
    });
  },
};

/** @returns the acts open to this operator: none on the operator's own account, or on a user with more rights. */
function actsOn({ account }: Visit, them: Pick<Person, 'id' | 'role' | 'disabledAt'>) {
  if (them.id === account.id || !rolesWithin(allowedTo(account.role)).includes(them.role)) return [];
  const done = them.disabledAt ? '/disable' : '/enable';
  return PERSON_ACTS.filter(({ act, path }) => path !== done && mayDo(account.role, act.scope)).map(({ path, words, grave }) => ({
    href: pathOfPerson(them.id, path),
    words,
    grave,
  }));
}
