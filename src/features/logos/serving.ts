import type { Context, Next } from 'koa';
import { type Database, isUnavailable } from '../../platform/database.ts';
import { findLogo } from './store.ts';

/**
 * Owns the serving of logos from this server's origin, so that no app learns who views a page about it. The address contains the picture's
 * digest, so its content never changes. It reads no cookie and runs before the language middleware, as views/assets does.
 */
export function clientLogos(database: Database) {
  return async (ctx: Context, next: Next) => {
    const digest = /^\/logos\/([0-9a-f]{64})\.png$/.exec(ctx.path)?.[1];
    if (!digest || (ctx.method !== 'GET' && ctx.method !== 'HEAD')) return next();
    let png: Uint8Array | undefined;
    try {
      png = await findLogo(database, digest);
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      ctx.status = 503;
      ctx.set('Retry-After', '5');
    }
    // The picture runs no script and no style. Only pages of this server may embed it, so that others cannot use it as a picture host.
    ctx.set('Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'; sandbox");
    ctx.set('Cross-Origin-Resource-Policy', 'same-origin');
    ctx.set('Cache-Control', png ? 'public, max-age=31536000, immutable' : 'no-store');
    if (!png) return;
    ctx.type = 'image/png';
    ctx.body = Buffer.from(png);
  };
}
