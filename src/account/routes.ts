import Router from '@koa/router';
import { comesBack, signedIn } from '../authorization-server/first-party.ts';
import { assertOurForm } from '../http/csrf.ts';
import { readForm } from '../http/form.ts';
import { KeyRing } from '../platform/secrets.ts';
import { activity } from './activity.ts';
import { apps } from './apps.ts';
import { deletion } from './deletion.ts';
import { email } from './email.ts';
import { dataExport } from './export.ts';
import { leaveToLink, returnToLink } from './link-visit.ts';
import { links } from './links.ts';
import { overview } from './overview.ts';
import { type AccountPage, csrfSubject, RECENT_SECONDS, type Services, TO_FILL_IN_SECONDS } from './page.ts';
import { password } from './password.ts';
import { profile } from './profile.ts';
import { sessions } from './sessions.ts';

/**
 * Owns the account's pages: what a person sees and changes of their own. Who that is, is the door's to say
 * (authorization-server/first-party.ts), and what they allowed whom, the store's (protocol-store/grants.ts).
 */

const PAGES: Record<string, AccountPage> = {
  '/account': overview,
  '/account/profile': profile,
  '/account/email': email,
  '/account/password': password,
  '/account/apps': apps,
  '/account/links': links,
  '/account/sessions': sessions,
  '/account/activity': activity,
  '/account/export': dataExport,
  '/account/delete': deletion,
};

export function accountRoutes(given: Omit<Services, 'keyRing'>) {
  const services = { ...given, keyRing: new KeyRing(given.config.dataEncryptionKeys) };
  const router = new Router();
  router.get('/account/signed-in', (ctx) => void comesBack(ctx));
  router.get('/account/links/return', (ctx) => returnToLink(ctx, services));
  router.get('/account/links/:provider', (ctx) => leaveToLink(ctx, services));

  for (const [path, page] of Object.entries(PAGES)) {
    router.get(path, async (ctx) => {
      const door = await signedIn(ctx, services, page.recent ? { maxAgeSeconds: RECENT_SECONDS } : {});
      if (door) await page.show({ ...door, ctx, services });
    });
    router.post(path, async (ctx) => {
      const door = await signedIn(ctx, services, { maxAgeSeconds: RECENT_SECONDS + (page.recent ? TO_FILL_IN_SECONDS : 0) });
      if (!door) return;
      const form = await readForm(ctx);
      const { config } = services;
      assertOurForm(ctx, config.cookieKeys, csrfSubject(door), form.get('csrf'), config.issuer);
      await page.submit?.({ ...door, ctx, services }, form);
    });
  }
  return router.routes();
}
