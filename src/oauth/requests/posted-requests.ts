import type { Context, Next } from 'koa';
import type { Provider } from 'oidc-provider';
import { readBody } from '../../http/form.ts';
import { seeOther } from '../../http/redirects.ts';
import { isStorable } from '../../platform/database.ts';
import { AppError } from '../../platform/errors.ts';
import { ROUTES } from '../routes.ts';

/**
 * Owns requests that reach the authorization and sign-out endpoints as a form (OIDC Core 3.1.2.1, RP-Initiated Logout 2).
 * The session cookie is SameSite=Lax, so a browser omits it from another site's form. It sends the cookie with the GET after a 303.
 * So this server redirects a form to a query with the same parameters, and the GET handles the request.
 */

const LIMIT_BYTES = 16 * 1024;

// Node accepts 16 KiB for the address and all headers. This leaves 4 KiB for cookies and the browser's own headers.
const LONGEST_QUERY = 12 * 1024;

const FORM = 'application/x-www-form-urlencoded';

export function redirectPostedRequests(provider: Provider) {
  return async (ctx: Context, next: Next) => {
    if (ctx.method !== 'POST' || (ctx.path !== ROUTES.authorization && ctx.path !== ROUTES.end_session)) return next();
    const parameters = await readParameters(ctx);
    if (await isAnsweredAtOnce(ctx, provider, parameters)) {
      ctx.method = 'GET';
      ctx.querystring = String(parameters);
      return next();
    }
    if (String(parameters).length > LONGEST_QUERY) throw new AppError('parameters_too_long', { status: 413 });
    seeOther(ctx, `${ctx.path}?${parameters}`);
    ctx.set('Cache-Control', 'no-store');
    return undefined;
  };
}

/**
 * @returns the parameters of the form, and those of the query that the form does not repeat. @throws AppError 415 for another media type,
 * 413.
 */
async function readParameters(ctx: Context): Promise<URLSearchParams> {
  const body = await readBody(ctx.req, LIMIT_BYTES).catch((error) => {
    throw error instanceof AppError && error.status === 413 ? new AppError('parameters_too_long', { status: 413 }) : error;
  });
  if (body.length && !ctx.is(FORM)) throw new AppError('unsupported_media_type', { status: 415 });
  const parameters = new URLSearchParams(body.toString('utf8'));
  const named = new Set(parameters.keys());
  for (const [name, value] of new URLSearchParams(ctx.querystring)) if (!named.has(name)) parameters.append(name, value);
  return parameters;
}

/**
 * Whether the session makes no difference. If the redirect URI is wrong, every user gets an error page.
 * A program that requests sign-out is not subject to a browser's cookie rules, so its request is complete.
 */
async function isAnsweredAtOnce(ctx: Context, provider: Provider, parameters: URLSearchParams): Promise<boolean> {
  if (ctx.path === ROUTES.end_session) return ctx.accepts('json', 'html') !== 'html';
  const [clientId, redirectUri] = [parameters.get('client_id') ?? '', parameters.get('redirect_uri') ?? ''];
  // A pushed request contains its redirect URI (RFC 9126 section 4).
  if (parameters.has('request_uri')) return false;
  const client = isStorable(clientId) ? await provider.Client.find(clientId) : undefined;
  return !client?.redirectUriAllowed(redirectUri);
}
