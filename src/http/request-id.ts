import { randomUUID } from 'node:crypto';
import type { Context, Next } from 'koa';
import type { Log } from '../platform/log.ts';

/**
 * Names each request, so that a person's error page and the log meet, and writes one line about it.
 * The line has the path without its query: a query may hold a code or a token.
 */
export function requestLog(log: Log) {
  return async (ctx: Context, next: Next) => {
    const started = performance.now();
    ctx.state.requestId = randomUUID();
    ctx.set('X-Request-Id', ctx.state.requestId);
    try {
      await next();
    } finally {
      log[ctx.status >= 500 ? 'error' : 'info']({
        event: 'http_request',
        request_id: ctx.state.requestId,
        method: ctx.method,
        path: ctx.path.replace(/^\/interaction\/[^/]+/, '/interaction/:uid').replace(/^(\/oauth\/(?:authorize|register))\/[^/]+/, '$1/:id'),
        status: ctx.status,
        duration_ms: Math.round((performance.now() - started) * 10) / 10,
        ...ctx.state.logged,
      });
    }
  };
}
