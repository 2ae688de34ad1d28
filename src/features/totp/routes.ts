import Router from '@koa/router';
import { backToList, FACTORS_PATH } from '../../pages/factor-visit.ts';
import type { FirstParty } from '../../pages/first-party.ts';
import { addTotp, showNewTotp, takeTotpAway } from './account-pages.ts';

const PATH = `${FACTORS_PATH}/totp`;

/** The pages on which a signed-in user sets up and removes an authenticator app. */
export function totpRoutes(services: FirstParty) {
  const router = new Router();
  router.get(PATH, (ctx) => showNewTotp(ctx, services));
  router.post(PATH, (ctx) => addTotp(ctx, services));
  router.post(`${PATH}/remove`, (ctx) => takeTotpAway(ctx, services));
  router.get(`${PATH}/remove`, backToList);
  return router.routes();
}
