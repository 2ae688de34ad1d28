import Router from '@koa/router';
import type { App } from '../../oauth/app.ts';
import { backToList, FACTORS_PATH } from '../../pages/factor-visit.ts';
import { addPasskey, changePasskeyName, offerEnrolment, showNewPasskey, takePasskeyAway } from './account-pages.ts';

const PATH = `${FACTORS_PATH}/passkey`;

/** The pages on which a signed-in user adds, renames and removes passkeys. */
export function passkeyRoutes(app: App) {
  const router = new Router();
  router.get(PATH, (ctx) => showNewPasskey(ctx, app));
  router.get(`${PATH}/options`, (ctx) => offerEnrolment(ctx, app));
  router.post(PATH, (ctx) => addPasskey(ctx, app));
  router.post(`${PATH}/name`, (ctx) => changePasskeyName(ctx, app));
  router.post(`${PATH}/remove`, (ctx) => takePasskeyAway(ctx, app));
  router.get([`${PATH}/name`, `${PATH}/remove`], backToList);

  // Password managers send users to this address to add a passkey (W3C "A Well-Known URL for Relying Party Passkey Endpoints").
  router.get('/.well-known/passkey-endpoints', (ctx) => {
    ctx.body = { enroll: app.config.issuer + PATH, manage: app.config.issuer + FACTORS_PATH };
  });
  return router.routes();
}
