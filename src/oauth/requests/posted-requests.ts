import type { Context, Next } from 'koa';
import type { Provider } from 'oidc-provider';
import { readBody } from '../../http/form.ts';
import { seeOther } from '../../http/see-other.ts';
import { isStorable } from '../../platform/database.ts';
import { AppError } from '../../platform/errors.ts';
import { ROUTES } from '../routes.ts';

/**
 * Owns requests that come to the authorization and sign-out endpoints as a form (OIDC Core 3.1.2.1, RP-Initiated Logout 2). A browser does not send the
 * session's cookie with a form of another site, since the cookie is SameSite=Lax. It does with the GET that a 303 asks for.
 * So a form is answered with its own parameters as a query, and GET decides.
 */

const LIMIT_BYTES = 16 * 1024;

// Node takes 16 KiB for the address and all headers together: this leaves 4 KiB for cookies and the browser's own headers.
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

/** Those of the form, and those of the address that the form does not repeat. @throws AppError 415 for another type of body, 413. */
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
 * Whether the session makes no difference. An authorization request that cannot be answered to its client is an error page for everybody.
 * A program that asks to sign out has no browser's rule about cookies: what it sent is all there is.
 */
async function isAnsweredAtOnce(ctx: Context, provider: Provider, parameters: URLSearchParams): Promise<boolean> {
  if (ctx.path === ROUTES.end_session) return ctx.accepts('json', 'html') !== 'html';
  const [clientId, redirectUri] = [parameters.get('client_id') ?? '', parameters.get('redirect_uri') ?? ''];
  // A pushed request has its address with it (RFC 9126 section 4).
  if (parameters.has('request_uri')) return false;
  const client = isStorable(clientId) ? await provider.Client.find(clientId) : undefined;
  return !client?.redirectUriAllowed(redirectUri);
}
