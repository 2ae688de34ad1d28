import { decodeJwt } from 'jose';
import type { Context, Next } from 'koa';
import { ROUTES } from '../routes.ts';

/**
 * Owns the error for a request object (OIDC Core 6.1, RFC 9101), which this server does not support: `request_not_supported`.
 * A client may have put `response_mode` and `state` into the object only. The object is not verified, so only these two are read.
 * Anyone could have put them into the query. A `request_uri` is not fetched: strangers would choose what this server connects to.
 */
const READ = ['response_mode', 'state'];

export async function answerAsRequestObjectSays(ctx: Context, next: Next): Promise<void> {
  const { request } = ctx.query;
  if (ctx.path === ROUTES.authorization && ctx.method === 'GET' && typeof request === 'string')
    ctx.query = { ...answerMembers(request), ...ctx.query };
  await next();
}

function answerMembers(request: string): Record<string, string> {
  try {
    const payload = decodeJwt(request);
    return Object.fromEntries(READ.flatMap((name) => (typeof payload[name] === 'string' ? [[name, payload[name]]] : [])));
  } catch {
    return {};
  }
}
