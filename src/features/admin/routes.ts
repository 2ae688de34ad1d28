import Router from '@koa/router';
import type { Feature } from '../../feature.ts';
import type { App } from '../../oauth/app.ts';
import { type Admission, type OwnPage, ownPages, type Visit } from '../../pages/own-pages.ts';
import { mayDo } from '../../pages/permissions.ts';
import { AppError } from '../../platform/errors.ts';
import { ADMIN_CALLBACK_PATH } from './apart/client.ts';
import { type AdminDoor, SIGN_OUT_PATH } from './apart/door.ts';
import { overview } from './overview.ts';
import { audit } from './pages/audit.ts';
import { client } from './pages/client.ts';
import { CLIENT_ACTS, clientActPages } from './pages/client-acts.ts';
import { HELD_ACT_PAGES } from './pages/held-acts.ts';
import { access, apis, clients, keys, people, tokens } from './pages/lists.ts';
import { OTHER_ACT_PAGES } from './pages/other-acts.ts';
import { person } from './pages/person.ts';
import { newPerson, PERSON_ACT_PAGES } from './pages/person-acts.ts';
import { insistOnTwoFactors } from './second-factor.ts';

/** Owns the pages with which operators run the server. pages/permissions.ts decides who may do what. */

const ADMIN_PAGES: Record<string, OwnPage> = {
  '/admin': overview,
  '/admin/people': people,
  '/admin/people/new': newPerson,
  '/admin/people/:account': person,
  ...PERSON_ACT_PAGES,
  '/admin/clients': clients,
  '/admin/clients/:client': client,
  '/admin/access': access,
  '/admin/tokens': tokens,
  '/admin/apis': apis,
  '/admin/keys': keys,
  '/admin/audit': audit,
  ...HELD_ACT_PAGES,
  ...OTHER_ACT_PAGES,
};

/** @returns all pages, those of features included. */
export function adminPages({ features }: Pick<App<Feature>, 'features'>): Record<string, OwnPage> {
  const ofFeatures = features.flatMap(({ administration }) => administration ?? []);
  return {
    ...ADMIN_PAGES,
    ...clientActPages([...CLIENT_ACTS, ...ofFeatures.flatMap(({ clientActs }) => clientActs ?? [])]),
    ...Object.assign({}, ...ofFeatures.map(({ pages }) => pages)),
  };
}

/** @param door the door of an origin of their own; without it, the pages use the issuer's. */
export function adminRoutes(app: App<Feature>, door?: AdminDoor) {
  const pages = ownPages(adminPages(app), app, onlyOperators, door);
  if (!door) return pages.routes();
  return new Router()
    .get('/', (ctx) => ctx.redirect('/admin'))
    .get(ADMIN_CALLBACK_PATH, (ctx) => door.comeBack(ctx))
    .post(SIGN_OUT_PATH, (ctx) => door.leave(ctx))
    .use(pages.routes())
    .routes();
}

/** A user without the right to read gets 404, so that the pages stay hidden. An operator must prove two factors. */
async function onlyOperators(visit: Visit): Promise<Admission> {
  if (!mayDo(visit.account.role, 'admin:read')) throw new AppError('not_found', { status: 404, reason: 'no operator' });
  return insistOnTwoFactors(visit);
}
