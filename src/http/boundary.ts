import Koa, { type Context, type Next } from 'koa';
import { systemClock } from '../platform/clock.ts';
import { isUnavailable } from '../platform/database.ts';
import { AppError } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import { render, translate } from './render.ts';

/** When a client whose request met an outage may try again. */
export const RETRY_AFTER_SECONDS = '5';

/** The one place where an error of ours becomes a response. What it does not know is 500 and says nothing of its cause. */
export function errorBoundary(log: Log) {
  return async (ctx: Context, next: Next) => {
    try {
      await next();
      // Koa takes an empty text for text/plain; an answer without a body has no type (RFC 9110 section 8.3).
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
 * Writes an error as a page to a person and as JSON to a program.
 * @param code names the sentences `error.<code>.title` and `error.<code>.text`. @param detail for the developer, folded away.
 * @param retryAfterSeconds when trying again makes sense, if that is known.
 */
export function answerError(
  ctx: Context,
  code: string,
  status: number,
  detail: Record<string, string> = {},
  retryAfterSeconds?: number,
): void {
  if (status === 503) ctx.set('Retry-After', RETRY_AFTER_SECONDS);
  // The codings that would be right: none (RFC 9110 section 12.5.3).
  if (code === 'compressed_body') ctx.set('Accept-Encoding', 'identity');
  // What was on its way when it failed must not go along: a redirect could carry a code that was never stored.
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

/** Where a link may take a person from here: our own pages, and an app's address that was judged (`ctx.state.wayBack`). */
function waysOn(ctx: Context, code: string, status: number): Record<string, unknown>[] {
  const { wayBack, standsAt, pageStands, pagePath } = ctx.state;
  if (code === 'interaction_expired')
    return [
      ...(standsAt ? [{ page: true, href: standsAt }] : []),
      ...(wayBack ? [{ app: wayBack.name, href: wayBack.href }] : []),
      { account: true, href: '/account' },
    ];
  // Where a sign-in begins that came to nothing.
  if (ctx.state.beginAgainAt) return [{ again: true, href: ctx.state.beginAgainAt }];
  if (code === 'operator_factor') return [{ factors: true, href: ctx.state.factorsAt }];
  if (pageStands && code !== 'invalid_client') return [{ page: true, href: pagePath }];
  // Relative, and the query alone: a path such as `//evil.example`, repeated in a link, would lead there.
  if ((status === 503 || status === 500 || status === 429) && ctx.method === 'GET') return [{ again: true, href: `?${ctx.querystring}` }];
  return status === 404 ? [{ home: true, href: '/' }] : [];
}

const LONGEST_DESCRIPTION = 300;

/** What the library says of an error may quote the request: the characters that the standard allows, and not too many (RFC 6749 section 5.2). */
export function printable(description: string): string {
  const text = description.replace(/[^\x20-\x7e]/g, '?');
  return text.length > LONGEST_DESCRIPTION ? `${text.slice(0, LONGEST_DESCRIPTION)}…` : text;
}

/** What a program reads of an error (RFC 6749 section 5.2). @param values what its sentence names. */
export function errorAsJson(code: string, values?: AppError['values']): { error: string; error_description: string } {
  const error = code === 'request_too_long' ? 'invalid_request' : code;
  return { error, error_description: translate('en', `error.${code}.text`, values) };
}

/** Programs say `*\/*` or JSON, browsers name text/html first. An endpoint that programs call never answers with a page. */
function wantsPage(ctx: Context): boolean {
  return !/^\/(admin\/)?api\//.test(ctx.path) && !ctx.state.forPrograms && ctx.accepts('json', 'html') === 'html';
}

function describe(error: unknown): { code: string; status: number; reason: string } {
  if (error instanceof AppError) return { code: error.code, status: error.status, reason: error.reason };
  if (isUnavailable(error)) return { code: 'temporarily_unavailable', status: 503, reason: 'database_unavailable' };
  // Koa and the router refuse what no route could answer: a bad method, an undecodable path.
  if (error instanceof Koa.HttpError && error.status < 500)
    return {
      code: error.status === 404 ? 'not_found' : error.status === 405 ? 'method_not_allowed' : 'invalid_request',
      status: error.status,
      reason: error.message,
    };
  if (error instanceof URIError) return { code: 'invalid_request', status: 400, reason: 'undecodable_path' };
  return { code: 'server_error', status: 500, reason: error instanceof Error ? error.name : 'unknown' };
}
