import Router from '@koa/router';
import { type OwnServices, ownPages } from '../../pages/own-pages.ts';
import { connectRoutes } from './account/connect.ts';
import { leaveToLink, returnToLink } from './account/link-visit.ts';
import { links } from './account/links.ts';

/** The pages on which a signed-in user links accounts at providers, and to which a client sends a user to connect one. */
export function linkRoutes(services: OwnServices) {
  const router = new Router();
  router.use(connectRoutes(services));
  router.get('/account/links/return', (ctx) => returnToLink(ctx, services));
  router.get('/account/links/:provider', (ctx) => leaveToLink(ctx, services));
  router.use(ownPages({ '/account/links': links }, services).routes());
  return router.routes();
}
