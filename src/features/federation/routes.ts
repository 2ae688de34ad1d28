import Router from '@koa/router';
import type { Feature } from '../../feature.ts';
import type { App } from '../../oauth/app.ts';
import { ownPages } from '../../pages/own-pages.ts';
import { connectRoutes } from './account/connect.ts';
import { leaveToLink, returnToLink } from './account/link-visit.ts';
import { links } from './account/links.ts';

/** The pages on which a signed-in user links accounts at providers, and to which a client sends a user to connect one. */
export function linkRoutes(app: App<Feature>) {
  const router = new Router();
  router.use(connectRoutes(app));
  router.get('/account/links/return', (ctx) => returnToLink(ctx, app));
  router.get('/account/links/:provider', (ctx) => leaveToLink(ctx, app));
  router.use(ownPages({ '/account/links': links }, app).routes());
  return router.routes();
}
