import Router from '@koa/router';
import { backToList, FACTORS_PATH } from '../../pages/factor-visit.ts';
import type { FirstParty } from '../../pages/first-party.ts';
import { addPasskey, changePasskeyName, offerEnrolment, showNewPasskey, takePasskeyAway } from './account-pages.ts';

const PATH = `${FACTORS_PATH}/passkey`;

/** The pages on which a signed-in user adds, renames and removes passkeys. */
export function passkeyRoutes(services: FirstParty) {
  const router = new Router();
  router.get(PATH, (ctx) => showNewPasskey(ctx, services));
  router.get(`${PATH}/options`, (ctx) => offerEnrolment(ctx, services));
  router.post(PATH, (ctx) => addPasskey(ctx, services));
  router.post(`${PATH}/name`, (ctx) => changePasskeyName(ctx, services));
  router.post(`${PATH}/remove`, (ctx) => takePasskeyAway(ctx, services));
  router.get([`${PATH}/name`, `${PATH}/remove`], backToList);

  // Password managers send users to this address to add a passkey (W3C "A Well-Known URL for Relying Party Passkey Endpoints").
  router.get('/.well-known/passkey-endpoints', (ctx) => {
    ctx.body = { enroll: services.config.issuer + PATH, manage: services.config.issuer + FACTORS_PATH };
  });
  return router.routes();
}
