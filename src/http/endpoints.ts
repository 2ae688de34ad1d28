import { createHash } from 'node:crypto';
import type { Context, Next } from 'koa';
import { AppError } from '../platform/errors.ts';

/**
 * Owns what every endpoint's answers have in common: which pages may read them (CORS), which methods exist, and how long they may be
 * cached. The rooms above list their endpoints.
 */

export type Endpoint = {
  /** Accepted methods; undefined when the router behind decides. OPTIONS is always added. */
  methods?: readonly string[];
  /** Whether programs call it: then errors are always JSON, even if `Accept` asks for HTML. */
  forPrograms?: boolean;
  /**
   * Whose pages may read the answers: pages of all origins, or of the client's origins, which the library compares. Such an endpoint
   * accepts no cookies, so `Access-Control-Allow-Credentials` is never sent.
   */
  readers?: 'everyone' | 'client';
  /** How long caches may store its document (RFC 9111 section 5.2.2.1). */
  maxAgeSeconds?: number;
};

export type EndpointAt = (path: string) => Endpoint | undefined;

/** Headers that a page may read: why a token is refused, when to try again, and the request id for the operator. */
export const EXPOSED_HEADERS = 'WWW-Authenticate, Retry-After, X-Request-Id';

const PREFLIGHT_SECONDS = '3600';

/** Runs around all answers, including the boundary's errors. */
export function knownEndpoints(endpointAt: EndpointAt) {
  return async (ctx: Context, next: Next) => {
    const endpoint = endpointAt(ctx.path);
    if (!endpoint) return next();
    ctx.state.endpoint = endpoint;
    ctx.state.forPrograms = endpoint.forPrograms;
    // Set before the library runs: it does not change an answer that already has these headers.
    if (endpoint.readers === 'everyone') ctx.set('Access-Control-Allow-Origin', '*');
    await next();
    if (endpoint.readers === 'client') settleOrigin(ctx);
    if (endpoint.readers) tellPages(ctx);
    if (endpoint.maxAgeSeconds !== undefined && ctx.status === 200) keepFor(ctx, endpoint.maxAgeSeconds);
  };
}

/** Allows an endpoint's own methods only (RFC 9110 sections 9.3.7 and 15.5.6). @throws AppError 405, with `Allow`. */
export function onlyItsMethods(ctx: Context, next: Next): Promise<void> | undefined {
  const methods = (ctx.state.endpoint as Endpoint | undefined)?.methods;
  if (!methods || methods.includes(ctx.method)) return next();
  ctx.set('Allow', [...methods, 'OPTIONS'].join(', '));
  if (ctx.method !== 'OPTIONS') throw new AppError('method_not_allowed', { status: 405 });
  ctx.status = 204;
  return undefined;
}

/**
 * The library names the origin of each request until it knows the client. `null` is the origin of every sandboxed page, so no client may
 * have it.
 */
function settleOrigin(ctx: Context): void {
  const origin = ctx.get('Origin');
  if (!origin) return;
  ctx.vary('Origin');
  if (origin === 'null') ctx.remove('Access-Control-Allow-Origin');
  // Answered before the library ran: an error that reveals no client, or a preflight, which names no client.
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

/** Every node gives the same document the same tag (RFC 9110 section 8.8.3). A request that already has that tag gets 304. */
function keepFor(ctx: Context, seconds: number): void {
  // The language choice in the URL belongs to one browser, so a cached answer must not set its cookie.
  ctx.remove('Set-Cookie');
  ctx.set('Cache-Control', `public, max-age=${seconds}`);
  ctx.etag = createHash('sha256').update(JSON.stringify(ctx.body)).digest('base64url');
  // Not ctx.fresh: it obeys `Cache-Control: no-cache`, which is meant for caches (RFC 9111 section 5.2.1.4) and which clients send too.
  const known = ctx
    .get('If-None-Match')
    .split(',')
    .map((tag) => tag.trim().replace(/^W\//, ''));
  if (known.includes('*') || known.includes(ctx.response.get('ETag'))) ctx.status = 304;
}
