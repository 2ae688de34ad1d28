import type { Context, Next } from 'koa';
import type { Database } from '../platform/database.ts';

/**
 * Owns what an orchestrator asks: `/livez`, is the process running; `/readyz`, can it do its work now.
 * It asks by the address of a pod, so this stands before the check of the host.
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
