import type { Context, Next } from 'koa';
import { type Database, isUnavailable } from '../../../platform/database.ts';
import { findLogo } from './store.ts';

/**
 * Owns the serving of logos from our own origin, so that no app learns who looks at a page about it. The address has the picture's digest: what
 * is there never changes. It reads no cookie and stands before the language, as views/assets do.
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
    // For what our pages do: no script, no style. And for our pages alone: this is no place for others to keep pictures at.
    ctx.set('Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'; sandbox");
    ctx.set('Cross-Origin-Resource-Policy', 'same-origin');
    ctx.set('Cache-Control', png ? 'public, max-age=31536000, immutable' : 'no-store');
    if (!png) return;
    ctx.type = 'image/png';
    ctx.body = Buffer.from(png);
  };
}
