import { randomUUID } from 'node:crypto';
import type { Context, Next } from 'koa';
import type { Log } from '../platform/log.ts';

/**
 * Names each request, so that a user's error page can be matched with the log, and logs one line for it. The line has the path without its
 * query: a query may hold a code or a token.
 */
export function requestLog(log: Log) {
  return async (ctx: Context, next: Next) => {
    const started = performance.now();
    ctx.state.requestId = randomUUID();
    ctx.set('X-Request-Id', ctx.state.requestId);
    try {
      await next();
    } finally {
      const { method, path, status } = ctx;
      logRequest(log, { requestId: ctx.state.requestId, method, path, status, started, logged: ctx.state.logged });
    }
  };
}

export type LoggedRequest = {
  requestId: string;
  method: string;
  path: string;
  status: number;
  /** Its start, by performance.now(). */
  started: number;
  /** Further members of the log line. */
  logged?: Record<string, unknown>;
};

/** Logs the line of one request. */
export function logRequest(log: Log, { requestId, method, path, status, started, logged }: LoggedRequest): void {
  const level = status >= 500 ? 'error' : 'info';
  if (!log.isLevelEnabled(level)) return;
  log[level]({
    event: 'http_request',
    request_id: requestId,
    method,
    path: path
      .replace(/^(\/account\/proof)?\/interaction\/[^/]+/, '$1/interaction/:uid')
      .replace(/^(\/oauth\/(?:authorize|register)|\/device|\/admin\/api\/v1\/tokens)\/[^/]+/, '$1/:id'),
    status,
    duration_ms: Math.round((performance.now() - started) * 10) / 10,
    ...logged,
  });
}
