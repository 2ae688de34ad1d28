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
import type { StartingApp } from '../../oauth/app.ts';
import { isAdminBeside } from '../../pages/admin-place.ts';
import type { PagesFeature } from '../../pages/feature.ts';
import { adminApi, adminApiMetadata, noAdminApi } from './api/app.ts';

/**
 * Owns where administration listens. With ADMIN_PORT, it has a listener of its own, which a network can shield, and no other. Without it,
 * administration shares the public listener in development and tests, and is off in production.
 */

/** @returns the parts of the admin API on the public listener. */
export function publicAdminApi(app: StartingApp<PagesFeature>): Part[] {
  const { config, log } = app;
  if (isAdminBeside(config)) return [adminApi(app), adminApiMetadata(config)];
  // The issuer serves the metadata for the API's tokens, even when the API listens elsewhere.
  return config.adminPort === undefined ? [noAdminApi(config, log)] : [noAdminApi(config, log), adminApiMetadata(config)];
}

/** @returns the listener's application. @param pages the administration pages, behind the door of apart/door.ts. */
export function adminApplication({ proxies, pages, ...app }: StartingApp<PagesFeature> & { proxies: Proxies; pages: Part[] }): Koa {
  const { config, database, log, features } = app;
  const origin = config.adminOrigin as string;
  const koa = new Koa({ proxy: true });
  koa.on('error', (error) => log.warn({ event: 'response_failed', reason: error.message }));
  koa.use(requestLog(log));
  koa.use(drainBody());
  koa.use(securityHeaders(origin));
  // Programs in an internal network call the API by many host names; only the token matters there.
  const api = [whicheverHost(config.issuer, proxies), adminApi(app), adminApiMetadata(config), noAdminApi(config, log, ['/'])];
  koa.use(under(['/admin/api/', '/.well-known/'], compose(api as never[])) as Koa.Middleware);
  koa.use(assets());
  for (const part of features.flatMap((feature) => feature.assets?.(database) ?? [])) koa.use(part as Koa.Middleware);
  koa.use(language());
  koa.use(errorBoundary(log));
  koa.use(onlyOurHost(origin, proxies));
  for (const part of pages) koa.use(part as Koa.Middleware);
  return koa;
}
