import { decodeJwt } from 'jose';
import type { Context, Next } from 'koa';
import { ROUTES } from '../routes.ts';

/**
 * Owns the answer to a request object (OIDC Core 6.1, RFC 9101), which this server does not take: `request_not_supported`. A client may have put the way of
 * the answer into the object alone. Nothing in it is verified, so it is read for those two parameters, which anyone could have put into the address.
 * One that is named by `request_uri` is not fetched: strangers would choose what this server connects to.
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
