import { createHash } from 'node:crypto';
import type { Context, Next } from 'koa';
import { AppError } from '../platform/errors.ts';

/**
 * Owns what every answer of an endpoint has: which pages may read it (CORS), which methods there are, how long it may be kept.
 * The rooms above name their endpoints.
 */

export type Endpoint = {
  /** The methods that it takes; undefined where the router behind it says so. OPTIONS comes with them. */
  methods?: readonly string[];
  /** Programs call it, so its errors are JSON. `Accept` does not change that. */
  forPrograms?: boolean;
  /**
   * Whose pages may read its answers: those of all origins, or those of the client's origins, which the library compares. No cookie opens such an
   * endpoint, so `Access-Control-Allow-Credentials` is never sent.
   */
  readers?: 'everyone' | 'client';
  /** How long its document may be kept (RFC 9111 section 5.2.2.1). */
  maxAgeSeconds?: number;
};

export type EndpointAt = (path: string) => Endpoint | undefined;

/** What a page may read beside the body: why a token is refused, when to try again, and which request to ask the operator about. */
export const EXPOSED_HEADERS = 'WWW-Authenticate, Retry-After, X-Request-Id';

const PREFLIGHT_SECONDS = '3600';

/** Around everything that answers, errors of the boundary included. */
export function knownEndpoints(endpointAt: EndpointAt) {
  return async (ctx: Context, next: Next) => {
    const endpoint = endpointAt(ctx.path);
    if (!endpoint) return next();
    ctx.state.endpoint = endpoint;
    ctx.state.forPrograms = endpoint.forPrograms;
    // Set before the library would: it leaves an answer alone that has these headers.
    if (endpoint.readers === 'everyone') ctx.set('Access-Control-Allow-Origin', '*');
    await next();
    if (endpoint.readers === 'client') settleOrigin(ctx);
    if (endpoint.readers) tellPages(ctx);
    if (endpoint.maxAgeSeconds !== undefined && ctx.status === 200) keepFor(ctx, endpoint.maxAgeSeconds);
  };
}

/** Takes the methods of an endpoint alone (RFC 9110 sections 9.3.7 and 15.5.6). @throws AppError 405, with `Allow`. */
export function onlyItsMethods(ctx: Context, next: Next): Promise<void> | undefined {
  const methods = (ctx.state.endpoint as Endpoint | undefined)?.methods;
  if (!methods || methods.includes(ctx.method)) return next();
  ctx.set('Allow', [...methods, 'OPTIONS'].join(', '));
  if (ctx.method !== 'OPTIONS') throw new AppError('method_not_allowed', { status: 405 });
  ctx.status = 204;
  return undefined;
}

/** The library names the origin of each request until it knows the client. `null` is the origin of any sandboxed page, so it is no client's. */
function settleOrigin(ctx: Context): void {
  const origin = ctx.get('Origin');
  if (!origin) return;
  ctx.vary('Origin');
  if (origin === 'null') ctx.remove('Access-Control-Allow-Origin');
  // Answered before the library was asked: an error that says nothing of a client, or a preflight, which names none.
  else if (ctx['oidc'] === undefined) ctx.set('Access-Control-Allow-Origin', origin);
}

function tellPages(ctx: Context): void {
  if (!ctx.response.get('Access-Control-Allow-Origin')) return;
  if (ctx.method !== 'OPTIONS' || !ctx.get('Access-Control-Request-Method')) {
    ctx.set('Access-Control-Expose-Headers', EXPOSED_HEADERS);
    return;
  }
  const [methods, headers] = [ctx.response.get('Allow'), ctx.get('Access-Control-Request-Headers')];
  if (!methods) return;
  ctx.status = 204;
  ctx.set('Access-Control-Allow-Methods', methods);
  if (headers) ctx.set('Access-Control-Allow-Headers', headers);
  ctx.set('Access-Control-Max-Age', PREFLIGHT_SECONDS);
}

/** The same document has the same tag on every node (RFC 9110 section 8.8.3). A request that has it already is answered with 304. */
function keepFor(ctx: Context, seconds: number): void {
  // A choice of language in the address, which is one browser's own.
  ctx.remove('Set-Cookie');
  ctx.set('Cache-Control', `public, max-age=${seconds}`);
  ctx.etag = createHash('sha256').update(JSON.stringify(ctx.body)).digest('base64url');
  // Not ctx.fresh: it heeds `Cache-Control: no-cache`, which is meant for caches on the way (RFC 9111 section 5.2.1.4), and clients send it along.
  const known = ctx
    .get('If-None-Match')
    .split(',')
    .map((tag) => tag.trim().replace(/^W\//, ''));
  if (known.includes('*') || known.includes(ctx.response.get('ETag'))) ctx.status = 304;
}
