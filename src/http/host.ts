import type { IncomingMessage } from 'node:http';
import ipaddr from 'ipaddr.js';
import type { Context, Next } from 'koa';
import { AppError } from '../platform/errors.ts';

/**
 * Accepts only requests for the issuer's host, and rewrites their headers to the issuer's origin. So absolute URLs come from ISSUER alone,
 * regardless of any Host or X-Forwarded-* header of a client. The client's address comes from X-Forwarded-For when the peer is a listed
 * proxy, otherwise from the socket. The application must have `proxy = true`, so that Koa reads the forwarded headers that this function
 * writes.
 */
export function onlyOurHost(issuer: string, proxies: Proxies) {
  const { host, protocol } = new URL(issuer);
  const isOurs = isHostOf(issuer);
  return (ctx: Context, next: Next) => {
    // Node reads the first of two Host headers; a proxy may have read the other (RFC 9112 section 3.2).
    if (hasTwoHosts(ctx.req)) throw new AppError('invalid_request', { status: 400, reason: 'two_host_headers' });
    if (!isOurs(ctx.headers.host)) {
      // 421: the request reached a server that does not answer for that host (RFC 9110 section 15.5.20).
      throw new AppError('unknown_host', { status: 421, reason: 'host_not_ours' });
    }
    // The library builds absolute URLs from this header. They must use the issuer's spelling of the host.
    ctx.req.headers.host = host;
    settleOrigin(ctx, protocol, proxies);
    return next();
  };
}

/**
 * Whether a `Host` header names the issuer's host. Letter case does not matter, nor does the scheme's default port (RFC 9110 section
 * 4.2.3). A final dot, which makes a name absolute, is allowed too (RFC 1034 section 3.1).
 */
export function isHostOf(issuer: string): (header: string | undefined) => boolean {
  const { hostname, port, protocol } = new URL(issuer);
  const ports = port ? [`:${port}`] : ['', protocol === 'https:' ? ':443' : ':80'];
  const names = hostname.startsWith('[') ? [hostname] : [hostname, `${hostname}.`];
  const spellings = new Set(names.flatMap((name) => ports.map((end) => name + end)));
  return (header) => header !== undefined && spellings.has(header.toLowerCase());
}

/** Whether a request has more than one Host header, even with equal values. */
export function hasTwoHosts({ rawHeaders }: IncomingMessage): boolean {
  let hosts = 0;
  for (let n = 0; n < rawHeaders.length; n += 2) if (rawHeaders[n]?.toLowerCase() === 'host') hosts += 1;
  return hosts > 1;
}

/** Which peers may state the client's address. */
export type Proxies = {
  /** Addresses and CIDR ranges: TRUST_PROXY. */
  trusted: string[];
  /** Called for each X-Forwarded-For from another peer. */
  onUnlisted(peer: string): void;
};

/** The same for a listener that writes no absolute URLs: it accepts any Host. */
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
  // A proxy is between the client and this server, or the headers claim so.
  ctx.state.forwarded = forwarded.length > 0;
  for (const name of forwarded) delete ctx.req.headers[name];
  ctx.req.headers['x-forwarded-proto'] = protocol.slice(0, -1);
  ctx.req.headers['x-forwarded-for'] = address;
}

/**
 * The client's address. Each trusted proxy appends the address that it saw, so the chain is read from the right and ends at the first
 * untrusted hop. Anyone can write the part to its left. `Forwarded` (RFC 7239) is never read.
 * @returns the last readable address. If a proxy hides an address (`unknown`), that proxy counts as the client.
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

/** The address of one hop, in the forms that proxies write: bare, with a port, or IPv6 in brackets. */
function addressOfHop(hop: string): string | undefined {
  const text = hop.trim();
  const address = /^\[([^\]]*:[^\]]*)\](?::\d{1,5})?$/.exec(text)?.[1] ?? /^(\d+\.\d+\.\d+\.\d+):\d{1,5}$/.exec(text)?.[1] ?? text;
  // Only the four-part form of IPv4: others, such as 0x7f.1, are ambiguous.
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
