import type { IncomingMessage } from 'node:http';
import ipaddr from 'ipaddr.js';
import type { Context, Next } from 'koa';
import { AppError } from '../platform/errors.ts';

/**
 * Lets in only requests for our own origin, and makes what later code derives from a request say that origin:
 * absolute URLs then come from ISSUER alone, whatever Host or X-Forwarded-* a client sends.
 * The client's address is read from X-Forwarded-For when the peer is a listed proxy, and from the socket otherwise.
 * The application must have `proxy = true`, so that Koa reads the forwarded headers this writes.
 */
export function onlyOurHost(issuer: string, trustedProxies: string[]) {
  const { host, protocol } = new URL(issuer);
  const isOurs = isHostOf(issuer);
  return (ctx: Context, next: Next) => {
    // Node reads the first of two, a proxy may have read the other (RFC 9112 section 3.2).
    if (hasTwoHosts(ctx.req)) throw new AppError('invalid_request', { status: 400, reason: 'two_host_headers' });
    if (!isOurs(ctx.headers.host)) {
      // 421: the request reached a server that does not answer for that host (RFC 9110 section 15.5.20).
      throw new AppError('unknown_host', { status: 421, reason: 'host_not_ours' });
    }
    // The library writes absolute addresses by it: they are the issuer's, however the host was spelled.
    ctx.req.headers.host = host;
    settleOrigin(ctx, protocol, trustedProxies);
    return next();
  };
}

/**
 * Whether a `Host` header names the issuer's host: in any case of letters, with the scheme's default port or without it (RFC 9110 section 4.2.3),
 * with or without the final dot that makes a name absolute (RFC 1034 section 3.1).
 */
export function isHostOf(issuer: string): (header: string | undefined) => boolean {
  const { hostname, port, protocol } = new URL(issuer);
  const ports = port ? [`:${port}`] : ['', protocol === 'https:' ? ':443' : ':80'];
  const names = hostname.startsWith('[') ? [hostname] : [hostname, `${hostname}.`];
  const spellings = new Set(names.flatMap((name) => ports.map((end) => name + end)));
  return (header) => header !== undefined && spellings.has(header.toLowerCase());
}

/** Whether a request names its host more than once, however the names compare. */
export function hasTwoHosts({ rawHeaders }: IncomingMessage): boolean {
  let hosts = 0;
  for (let n = 0; n < rawHeaders.length; n += 2) if (rawHeaders[n]?.toLowerCase() === 'host') hosts += 1;
  return hosts > 1;
}

/** The same for a listener on which no address of ours is written: whatever it is called by, it answers. */
export function whicheverHost(issuer: string, trustedProxies: string[]) {
  const { protocol } = new URL(issuer);
  return (ctx: Context, next: Next) => {
    settleOrigin(ctx, protocol, trustedProxies);
    return next();
  };
}

function settleOrigin(ctx: Context, protocol: string, trustedProxies: string[]): void {
  const address = clientAddress(ctx.req.socket.remoteAddress ?? '', ctx.headers['x-forwarded-for'], trustedProxies);
  for (const name of Object.keys(ctx.req.headers))
    if (name.startsWith('x-forwarded-') || name === 'forwarded') delete ctx.req.headers[name];
  ctx.req.headers['x-forwarded-proto'] = protocol.slice(0, -1);
  ctx.req.headers['x-forwarded-for'] = address;
}

/** The rightmost address of the chain that is not one of our proxies: everything left of it is hearsay. */
export function clientAddress(peer: string, forwardedFor: string | string[] | undefined, trustedProxies: string[]): string {
  // Without proxies nobody's word counts, and there is nothing to read.
  if (!trustedProxies.length) return peer;
  const chain = [String(forwardedFor ?? '').split(','), peer]
    .flat()
    .map((part) => part.trim())
    .filter((part) => ipaddr.isValid(part));
  const stranger = chain.findLast((address) => !isTrusted(address, trustedProxies));
  return stranger ?? chain[0] ?? peer;
}

function isTrusted(address: string, ranges: string[]): boolean {
  const parsed = ipaddr.process(address);
  return ranges.some((range) => {
    const [base, bits] = range.includes('/') ? ipaddr.parseCIDR(range) : [ipaddr.process(range), undefined];
    return base.kind() === parsed.kind() && parsed.match(base, bits ?? (base.kind() === 'ipv4' ? 32 : 128));
  });
}
