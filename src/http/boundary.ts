import Koa, { type Context, type Next } from 'koa';
import { systemClock } from '../platform/clock.ts';
import { isUnavailable } from '../platform/database.ts';
import { AppError } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import { render, translate } from './render.ts';

/** After how many seconds a client may retry a request that met an outage. */
export const RETRY_AFTER_SECONDS = '5';

/** The one place where an error becomes a response. An unknown error is 500 and reveals nothing of its cause. */
export function errorBoundary(log: Log) {
  return async (ctx: Context, next: Next) => {
    try {
      await next();
      // Koa gives an empty text the type text/plain, but an answer without a body has no type (RFC 9110 section 8.3).
      if (ctx.body === '') ctx.remove('Content-Type');
      if (ctx.status === 503) ctx.set('Retry-After', RETRY_AFTER_SECONDS);
      if (ctx.status === 404 && ctx.body == null) throw new AppError('not_found', { status: 404 });
      if (ctx.status === 405 && ctx.body == null) throw new AppError('method_not_allowed', { status: 405 });
    } catch (error) {
      const { code, status, reason } = describe(error);
      if (error instanceof AppError && error.retryAfterSeconds) ctx.set('Retry-After', String(error.retryAfterSeconds));
      ctx.state.logged = { ...ctx.state.logged, error: code, reason };
      if (error instanceof AppError) ctx.state.errorValues = error.values;
      if (status >= 500 && status !== 503) log.error({ event: 'unexpected_error', request_id: ctx.state.requestId, err: error });
      answerError(ctx, code, status, {}, error instanceof AppError ? error.retryAfterSeconds : undefined);
    }
  };
}

/**
 * Writes an error, as a page for a browser and as JSON for a program.
 * @param code names the sentences `error.<code>.title` and `error.<code>.text`.
 * @param detail for the developer, in a folded section.
 * @param retryAfterSeconds when the client may try again, if known.
 */
export function answerError(
  ctx: Context,
  code: string,
  status: number,
  detail: Record<string, string> = {},
  retryAfterSeconds?: number,
): void {
  if (status === 503) ctx.set('Retry-After', RETRY_AFTER_SECONDS);
  // Accepted content codings: none (RFC 9110 section 12.5.3).
  if (code === 'compressed_body') ctx.set('Accept-Encoding', 'identity');
  // A failed request must not send its redirect, which could carry a code that was never stored.
  ctx.remove('Location');
  if (wantsPage(ctx)) {
    const { error = code, error_description } = detail;
    const minutes = retryAfterSeconds && Math.ceil(retryAfterSeconds / 60);
    const told = { error, ...(error_description ? { error_description: printable(error_description) } : undefined) };
    const { forOwner, errorValues: values } = ctx.state;
    const time = systemClock.now().toISOString();
    render(ctx, 'error', { code, status, detail: told, minutes, ways: waysOn(ctx, code, status), time, forOwner, values }, status);
    return;
  }
  ctx.status = status;
  ctx.set('Cache-Control', 'no-store');
  const { error, error_description } = { ...errorAsJson(code, ctx.state.errorValues), ...detail };
  ctx.body = { error, error_description };
}

/** Links that the error page offers: the server's own pages, and an address of the client that was validated (`ctx.state.wayBack`). */
function waysOn(ctx: Context, code: string, status: number): Record<string, unknown>[] {
  const { wayBack, standsAt, pageStands, pagePath } = ctx.state;
  if (code === 'interaction_expired')
    return [
      ...(standsAt ? [{ page: true, href: standsAt }] : []),
      ...(wayBack ? [{ app: wayBack.name, href: wayBack.href }] : []),
      { account: true, href: '/account' },
    ];
  // Where the user can start a failed sign-in again.
  if (ctx.state.beginAgainAt) return [{ again: true, href: ctx.state.beginAgainAt }];
  if (code === 'operator_factor') return [{ factors: true, href: ctx.state.factorsAt }];
  if (pageStands && code !== 'invalid_client') return [{ page: true, href: pagePath }];
  // A relative link with the query only: a link that repeats a path such as `//evil.example` would lead there.
  if ((status === 503 || status === 500 || status === 429) && ctx.method === 'GET') return [{ again: true, href: `?${ctx.querystring}` }];
  return status === 404 ? [{ home: true, href: '/' }] : [];
}

const LONGEST_DESCRIPTION = 300;

/**
 * The library's description may quote the request. Only characters that the standard allows remain, up to a length limit (RFC 6749 section
 * 5.2).
 */
export function printable(description: string): string {
  const text = description.replace(/[^\x20-\x7e]/g, '?');
  return text.length > LONGEST_DESCRIPTION ? `${text.slice(0, LONGEST_DESCRIPTION)}…` : text;
}

/** The JSON body of an error (RFC 6749 section 5.2). @param values for the placeholders of its sentence. */
export function errorAsJson(code: string, values?: AppError['values']): { error: string; error_description: string } {
  const error = code === 'request_too_long' ? 'invalid_request' : code;
  return { error, error_description: translate('en', `error.${code}.text`, values) };
}

/** Programs accept `*\/*` or JSON; browsers list text/html first. An endpoint for programs never answers with a page. */
function wantsPage(ctx: Context): boolean {
  return !/^\/(admin\/)?api\//.test(ctx.path) && !ctx.state.forPrograms && ctx.accepts('json', 'html') === 'html';
}

function describe(error: unknown): { code: string; status: number; reason: string } {
  if (error instanceof AppError) return { code: error.code, status: error.status, reason: error.reason };
  if (isUnavailable(error)) return { code: 'temporarily_unavailable', status: 503, reason: 'database_unavailable' };
  // Koa and the router refuse requests that no route can answer: a bad method, an undecodable path.
  if (error instanceof Koa.HttpError && error.status < 500)
    return {
      code: error.status === 404 ? 'not_found' : error.status === 405 ? 'method_not_allowed' : 'invalid_request',
      status: error.status,
      reason: error.message,
    };
  if (error instanceof URIError) return { code: 'invalid_request', status: 400, reason: 'undecodable_path' };
  return { code: 'server_error', status: 500, reason: error instanceof Error ? error.name : 'unknown' };
}
