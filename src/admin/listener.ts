import Koa from 'koa';
import { drainBody } from '../http/form.ts';
import { type Proxies, whicheverHost } from '../http/host.ts';
import { requestLog } from '../http/request-id.ts';
import { securityHeaders } from '../http/security-headers.ts';
import type { Config } from '../platform/config.ts';
import type { Database } from '../platform/database.ts';
import type { Log } from '../platform/log.ts';
import { adminApi, adminApiMetadata, noAdminApi } from './api/app.ts';

/**
 * Owns where the admin API answers: on a listener of its own, which a network may be kept from (ADMIN_PORT), and then nowhere else. Without
 * one it answers beside all else where people develop and test, and in production nowhere.
 */

type Given = { config: Config; database: Database; log: Log };

/** What of the admin API the public listener has. */
export function publicAdminApi(given: Given): Koa.Middleware[] {
  const { config, log } = given;
  if (config.adminPort === undefined && config.environment === 'production') return [noAdminApi(config, log)];
  // Where to ask for its tokens is asked of the issuer, wherever the API is.
  if (config.adminPort !== undefined) return [noAdminApi(config, log), adminApiMetadata(config)];
  return [adminApi(given), adminApiMetadata(config)];
}

/** The application of the API's own listener: it has nothing else. */
export function adminApplication({ proxies, ...given }: Given & { proxies: Proxies }): Koa {
  const { config, log } = given;
  const app = new Koa({ proxy: true });
  app.on('error', (error) => log.warn({ event: 'response_failed', reason: error.message }));
  app.use(requestLog(log));
  app.use(drainBody());
  app.use(securityHeaders(config.issuer));
  app.use(whicheverHost(config.issuer, proxies));
  app.use(adminApi(given));
  app.use(adminApiMetadata(config));
  // Whatever is not below the API is not there, and says so as it does.
  app.use(noAdminApi(config, log, ['/']));
  return app;
}
