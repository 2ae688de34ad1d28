import Router from '@koa/router';
import type { Feature } from '../../feature.ts';
import type { App } from '../../oauth/app.ts';
import { comesBack } from '../../pages/first-party.ts';
import { type OwnPage, ownPages } from '../../pages/own-pages.ts';
import { activity } from './activity.ts';
import { apps } from './apps.ts';
import { deletion } from './deletion.ts';
import { email } from './email.ts';
import { dataExport } from './export.ts';
import { factorRoutes } from './factors.ts';
import { notMeRoutes } from './not-me.ts';
import { overview } from './overview.ts';
import { password } from './password.ts';
import { profile } from './profile.ts';
import { proof } from './proof.ts';
import { sessions } from './sessions.ts';

/**
 * Owns the account's pages, on which users see and change their own data. pages/first-party.ts decides who the user is.
 * oauth/store/grants.ts holds what the user has granted.
 */

const PAGES: Record<string, OwnPage> = {
  '/account': overview,
  '/account/profile': profile,
  '/account/email': email,
  '/account/proof/:what': proof,
  '/account/proof/:what/:which': proof,
  '/account/password': password,
  '/account/apps': apps,
  '/account/sessions': sessions,
  '/account/activity': activity,
  '/account/export': dataExport,
  '/account/delete': deletion,
};

export function accountRoutes(app: App<Feature>) {
  const router = new Router();
  router.get('/account/signed-in', (ctx) => void comesBack(ctx));
  router.use(notMeRoutes(app));
  router.use(factorRoutes(app));
  router.use(ownPages(PAGES, app).routes());
  return router.routes();
}
