import Koa from 'koa';
import compose from 'koa-compose';
import { assets } from '../../http/assets.ts';
import { errorBoundary } from '../../http/boundary.ts';
import { drainBody } from '../../http/form.ts';
import { onlyOurHost, type Proxies, whicheverHost } from '../../http/host.ts';
import { language } from '../../http/language.ts';
import { requestLog } from '../../http/request-id.ts';
import { securityHeaders } from '../../http/security-headers.ts';
import { type Part, under } from '../../http/under.ts';
import { clientLogos } from '../../oauth/clients/logo/serving.ts';
import { isAdminBeside } from '../../pages/admin-place.ts';
import type { PagesFeature } from '../../pages/feature.ts';
import type { Config } from '../../platform/config.ts';
import type { Database } from '../../platform/database.ts';
import type { Log } from '../../platform/log.ts';
import { adminApi, adminApiMetadata, noAdminApi } from './api/app.ts';

/**
 * Owns where administration answers: on a listener of its own, which a network may be kept from (ADMIN_PORT), and then nowhere else. Without
 * one it answers beside all else where people develop and test, and in production nowhere.
 */

type Given = { config: Config; database: Database; log: Log; features: readonly PagesFeature[] };

/** What of the admin API the public listener has. */
export function publicAdminApi(given: Given): Part[] {
  const { config, log } = given;
  if (isAdminBeside(config)) return [adminApi(given), adminApiMetadata(config)];
  // Where to ask for its tokens is asked of the issuer, wherever the API is.
  return config.adminPort === undefined ? [noAdminApi(config, log)] : [noAdminApi(config, log), adminApiMetadata(config)];
}

/** The application of the listener. @param pages those of administration, behind the door that is theirs there (apart/door.ts). */
export function adminApplication({ proxies, pages, ...given }: Given & { proxies: Proxies; pages: Part[] }): Koa {
  const { config, database, log } = given;
  const origin = config.adminOrigin as string;
  const app = new Koa({ proxy: true });
  app.on('error', (error) => log.warn({ event: 'response_failed', reason: error.message }));
  app.use(requestLog(log));
  app.use(drainBody());
  app.use(securityHeaders(origin));
  // Programs inside a network call the API by many names; a token is all that counts there.
  const api = [whicheverHost(config.issuer, proxies), adminApi(given), adminApiMetadata(config), noAdminApi(config, log, ['/'])];
  app.use(under(['/admin/api/', '/.well-known/'], compose(api as never[])) as Koa.Middleware);
  app.use(assets());
  app.use(under(['/logos/'], clientLogos(database)) as Koa.Middleware);
  app.use(language());
  app.use(errorBoundary(log));
  app.use(onlyOurHost(origin, proxies));
  for (const part of pages) app.use(part as Koa.Middleware);
  return app;
}
