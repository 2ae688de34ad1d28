import Router from '@koa/router';
import type { App } from '../../oauth/app.ts';
import { backToList, FACTORS_PATH } from '../../pages/factor-visit.ts';
import { addTotp, showNewTotp, takeTotpAway } from './account-pages.ts';

const PATH = `${FACTORS_PATH}/totp`;

/** The pages on which a signed-in user sets up and removes an authenticator app. */
export function totpRoutes(app: App) {
  const router = new Router();
  router.get(PATH, (ctx) => showNewTotp(ctx, app));
  router.post(PATH, (ctx) => addTotp(ctx, app));
  router.post(`${PATH}/remove`, (ctx) => takeTotpAway(ctx, app));
  router.get(`${PATH}/remove`, backToList);
  return router.routes();
}
