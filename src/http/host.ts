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
export function onlyOurHost(issuer: string, proxies: Proxies) {
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
    settleOrigin(ctx, protocol, proxies);
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

/** Whose word about the client's address counts. */
export type Proxies = {
  /** Addresses and CIDR ranges: TRUST_PROXY. */
  trusted: string[];
  /** Hears of each X-Forwarded-For that came from another peer. */
  onUnlisted(peer: string): void;
};

/** The same for a listener on which no address of ours is written: whatever it is called by, it answers. */
export function whicheverHost(issuer: string, proxies: Proxies) {
  const { protocol } = new URL(issuer);
  return (ctx: Context, next: Next) => {
    settleOrigin(ctx, protocol, proxies);
    return next();
  };
}

function settleOrigin(ctx: Context, protocol: string, { trusted, onUnlisted }: Proxies): void {
  const peer = ctx.req.socket.remoteAddress ?? '';
  const forwardedFor = ctx.headers['x-forwarded-for'];
  const address = clientAddress(peer, forwardedFor, trusted);
  if (forwardedFor !== undefined && !isTrusted(peer, trusted)) onUnlisted(peer);
  const forwarded = Object.keys(ctx.req.headers).filter((name) => name.startsWith('x-forwarded-') || name === 'forwarded');
  // Somebody stands between the client and this server, or says so.
  ctx.state.forwarded = forwarded.length > 0;
  for (const name of forwarded) delete ctx.req.headers[name];
  ctx.req.headers['x-forwarded-proto'] = protocol.slice(0, -1);
  ctx.req.headers['x-forwarded-for'] = address;
}

/**
 * The client's address: each proxy of ours appends the address that it saw, so the chain is read from the right and ends at the first hop that is no
 * proxy of ours. What stands left of that anyone can write. `Forwarded` (RFC 7239) is never read.
 * @returns the last address that was readable, when a hop is not: a proxy that hides an address (`unknown`) is then the client.
 */
export function clientAddress(peer: string, forwardedFor: string | string[] | undefined, trustedProxies: string[]): string {
  let address = peer;
  const hops = String(forwardedFor ?? '').split(',');
  while (isTrusted(address, trustedProxies)) {
    const hop = addressOfHop(hops.pop() ?? '');
    if (!hop) break;
    address = hop;
  }
  return address;
}

/** The address of one hop, as proxies write it: bare, with a port, or an IPv6 address in brackets. */
function addressOfHop(hop: string): string | undefined {
  const text = hop.trim();
  const address = /^\[([^\]]*:[^\]]*)\](?::\d{1,5})?$/.exec(text)?.[1] ?? /^(\d+\.\d+\.\d+\.\d+):\d{1,5}$/.exec(text)?.[1] ?? text;
  // Of IPv4 the four-part form alone: others, such as 0x7f.1, are read in more than one way.
  return address.includes(':')
    ? ipaddr.IPv6.isValid(address)
      ? address
      : undefined
    : ipaddr.IPv4.isValidFourPartDecimal(address)
      ? address
      : undefined;
}

function isTrusted(address: string, ranges: string[]): boolean {
  if (!ranges.length || !ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  return ranges.some((range) => {
    const [base, bits] = range.includes('/') ? ipaddr.parseCIDR(range) : [ipaddr.process(range), undefined];
    return base.kind() === parsed.kind() && parsed.match(base, bits ?? (base.kind() === 'ipv4' ? 32 : 128));
  });
}
