import type { Context, Next } from 'koa';
import type { Database } from '../platform/database.ts';

/**
 * Owns the probes of an orchestrator: `/livez` says whether the process runs, `/readyz` whether it can serve now. An orchestrator uses a
 * pod's address, so this runs before the host check.
 */
export function health(database: Database, isClosing: () => boolean) {
  return async (ctx: Context, next: Next) => {
    if (ctx.path !== '/livez' && ctx.path !== '/readyz') return next();
    ctx.set('Cache-Control', 'no-store');
    const ready = ctx.path === '/livez' || (!isClosing() && (await answers(database)));
    ctx.status = ready ? 200 : 503;
    ctx.body = { status: ready ? 'ok' : 'unavailable' };
  };
}

async function answers(database: Database): Promise<boolean> {
  try {
    await database.ping();
    return true;
  } catch {
    return false;
  }
}
