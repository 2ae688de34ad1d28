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
import { isAdminBeside } from '../../pages/admin-place.ts';
import type { PagesFeature } from '../../pages/feature.ts';
import type { Config } from '../../platform/config.ts';
import type { Database } from '../../platform/database.ts';
import type { Log } from '../../platform/log.ts';
import { adminApi, adminApiMetadata, noAdminApi } from './api/app.ts';

/**
 * Owns where administration listens. With ADMIN_PORT, it has a listener of its own, which a network can shield, and no other. Without it,
 * administration shares the public listener in development and tests, and is off in production.
 */

type App = { config: Config; database: Database; log: Log; features: readonly PagesFeature[] };

/** @returns the parts of the admin API on the public listener. */
export function publicAdminApi(app: App): Part[] {
  const { config, log } = app;
  if (isAdminBeside(config)) return [adminApi(app), adminApiMetadata(config)];
  // The issuer serves the metadata for the API's tokens, even when the API listens elsewhere.
  return config.adminPort === undefined ? [noAdminApi(config, log)] : [noAdminApi(config, log), adminApiMetadata(config)];
}

/** @returns the listener's application. @param pages the administration pages, behind the door of apart/door.ts. */
export function adminApplication({ proxies, pages, ...parts }: App & { proxies: Proxies; pages: Part[] }): Koa {
  const { config, database, log, features } = parts;
  const origin = config.adminOrigin as string;
  const app = new Koa({ proxy: true });
  app.on('error', (error) => log.warn({ event: 'response_failed', reason: error.message }));
  app.use(requestLog(log));
  app.use(drainBody());
  app.use(securityHeaders(origin));
  // Programs in an internal network call the API by many host names; only the token matters there.
  const api = [whicheverHost(config.issuer, proxies), adminApi(parts), adminApiMetadata(config), noAdminApi(config, log, ['/'])];
  app.use(under(['/admin/api/', '/.well-known/'], compose(api as never[])) as Koa.Middleware);
  app.use(assets());
  for (const part of features.flatMap((feature) => feature.assets?.(database) ?? [])) app.use(part as Koa.Middleware);
  app.use(language());
  app.use(errorBoundary(log));
  app.use(onlyOurHost(origin, proxies));
  for (const part of pages) app.use(part as Koa.Middleware);
  return app;
}
