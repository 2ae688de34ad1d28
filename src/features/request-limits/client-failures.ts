import type { Context, Next } from 'koa';
import { errorAsJson } from '../../http/boundary.ts';
import { visitorOf } from '../../http/visitor.ts';
import { ROUTES } from '../../oauth/routes.ts';
import { MINUTE } from '../../platform/clock.ts';

/**
 * Owns how often a client may fail to authenticate from one network. A client that authenticates is never limited, so nobody can lock it
 * out:
 * neither from another network nor from its own. Secrets are random (oauth/clients/secrets.ts), so guessing is no risk.
 * The limit bounds the work, the log and the records of failures.
 *
 * Each process counts in memory: strangers must not be able to cause a database row per failure.
 */

export const FAILURES = { points: 60, seconds: 15 * MINUTE };

const MOST_KEYS = 20_000;

const AUTHENTICATED = new Set([
  ROUTES.token,
  ROUTES.introspection,
  ROUTES.revocation,
  ROUTES.pushed_authorization_request,
  ROUTES.device_authorization,
]);

type Count = { points: number; endsAt: number };

/** @param now in milliseconds. @returns the middleware of one process. */
export function limitClientFailures(now: () => number = Date.now) {
  // In the order in which they end.
  const counts = new Map<string, Count>();

  function secondsOver(key: string): number {
    const at = now();
    for (const [old, { endsAt }] of counts) {
      if (endsAt > at && counts.size <= MOST_KEYS) break;
      counts.delete(old);
    }
    const count = counts.get(key) ?? { points: 0, endsAt: at + FAILURES.seconds * 1_000 };
    counts.set(key, count);
    count.points += 1;
    return count.points > FAILURES.points ? Math.ceil((count.endsAt - at) / 1_000) : 0;
  }

  return async (ctx: Context, next: Next) => {
    await next();
    if (ctx.status !== 401 || !AUTHENTICATED.has(ctx.path) || (ctx.body as { error?: string } | undefined)?.error !== 'invalid_client')
      return;
    // All unknown clients share one count, because the sender invents their ids.
    const seconds = secondsOver(`${ctx['oidc']?.client?.clientId ?? ''} ${visitorOf(ctx).address}`);
    if (!seconds) return;
    ctx.status = 429;
    ctx.remove('WWW-Authenticate');
    ctx.set('Cache-Control', 'no-store');
    ctx.set('Retry-After', String(seconds));
    ctx.body = errorAsJson('too_many_attempts');
    ctx.state.logged = { ...ctx.state.logged, error: 'too_many_attempts', reason: 'rate_limit client_failures' };
  };
}
