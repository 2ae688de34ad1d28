import ipaddr from 'ipaddr.js';
import { Agent, request, type Response as UndiciResponse, fetch as undiciFetch } from 'undici';
import { addressesOf, systemAddressesOf } from './names.ts';
import { createRoom } from './outgoing-room.ts';

export type GuardedFetch = {
  /**
   * Largest answer, compressed or decompressed. A larger one fails with UND_ERR_RES_EXCEEDED_MAX_SIZE. Documents are small; pictures need
   * more.
   */
  maxBytes?: number;
  /** Whether a redirect is returned to the caller. It is never followed. */
  showRedirects?: boolean;
  /** Host names that may be this machine, over http and at any port: in development only. */
  ownHosts?: ReadonlySet<string>;
  /** Networks of the operator that may be reached besides port 443 of the internet. */
  openings?: readonly Opening[];
};

/** A network (address or CIDR) and one port in it. */
export type Opening = { network: string; port: number };

const HTTPS = 443;
// Anyone who registers a client can make this server send requests. All strangers' servers together share this room.
const strangers = createRoom();

/**
 * Fetch for URLs that strangers choose (`jwks_uri`, `sector_identifier_uri`, `logo_uri`). It allows https on port 443 and no redirects. In
 * a network that the operator opened it allows https on that port. The address is resolved and checked before the connection opens, so a
 * listener inside the network sees nothing.
 * @throws TypeError `fetch failed` for every refusal, so that the caller cannot learn what is behind a refused name.
 */
export function createGuardedFetch({
  maxBytes = 64 * 1024,
  showRedirects = false,
  ownHosts,
  openings = [],
}: GuardedFetch = {}): typeof globalThis.fetch {
  const limits = { bodyTimeout: 2_500, headersTimeout: 2_500, maxResponseSize: maxBytes };
  // One agent for each port: the allowed addresses depend on the port, and an agent shares its connections.
  const agents = new Map(
    [HTTPS, ...openings.map(({ port }) => port)].map((port) => {
      const judge = (address: string) => isAllowed(address, port, openings);
      return [port, { judge, agent: new Agent({ ...limits, connect: { timeout: 2_000, lookup: judged(judge) } }) }];
    }),
  );
  const ownAgent = ownHosts && new Agent({ ...limits, connect: { timeout: 2_000 } });
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : String(input));
    const outside = ownHosts?.has(url.hostname) ? undefined : agents.get(Number(url.port || HTTPS));
    const dispatcher = ownHosts?.has(url.hostname) ? ownAgent : outside?.agent;
    if (!dispatcher || (outside && (url.protocol !== 'https:' || isForbiddenLiteral(url.hostname, outside.judge))))
      throw new TypeError('fetch failed');
    const leave = outside ? strangers.enter(url.hostname) : () => {};
    if (!leave) throw new TypeError('fetch failed');
    const { dispatcher: _theirs, ...options } = plainly(init);
    const redirect = showRedirects ? 'manual' : 'error';
    try {
      const answer = countedUnpacked(await undiciFetch(url.href, { ...(options as object), redirect, dispatcher }), maxBytes);
      leave(true);
      return answer;
    } catch {
      leave(false);
      throw new TypeError('fetch failed');
    }
  };
}

/**
 * Fetch for servers that an operator named, and for addresses that those servers name. It follows no redirects and reads at most 256 kB.
 * @param privateNetwork whether they may be in the operator's network or use http. Otherwise the rules for strangers' URLs apply, except
 * for the port.
 * @param deadline aborts every request in flight.
 * @throws TypeError, or the abort reason of `deadline`.
 */
export function fetchForUpstream({
  privateNetwork,
  deadline,
}: {
  privateNetwork: boolean;
  deadline: AbortSignal;
}): typeof globalThis.fetch {
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : String(input));
    if (!privateNetwork && (url.protocol !== 'https:' || isForbiddenLiteral(url.hostname, isPublicAddress)))
      throw new TypeError('fetch failed');
    const { dispatcher: _theirs, signal, ...options } = plainly(init);
    const dispatcher = privateNetwork ? ANYWHERE : PUBLIC_ONLY;
    const either = signal ? AbortSignal.any([deadline, signal]) : deadline;
    const answer = await undiciFetch(url.href, { ...(options as object), signal: either, redirect: 'manual', dispatcher });
    return countedUnpacked(answer, UPSTREAM.maxResponseSize);
  };
}

const UPSTREAM = { connections: 32, bodyTimeout: 4_000, headersTimeout: 4_000, maxResponseSize: 256 * 1024 };
const ANYWHERE = new Agent({ ...UPSTREAM, connect: { timeout: 2_000 } });
const PUBLIC_ONLY = new Agent({ ...UPSTREAM, connect: { timeout: 2_000, lookup: judged(isPublicAddress, systemAddressesOf) } });

type Options = RequestInit & { dispatcher?: unknown };

/** Asks for an uncompressed answer. A server may still compress it. */
function plainly(init: RequestInit | undefined): Options {
  const headers = new Headers(init?.headers);
  headers.set('accept-encoding', 'identity');
  return { ...init, headers };
}

/** The same error as the agent's own size limit. */
const tooLarge = (): Error => Object.assign(new Error('the answer is too large'), { code: 'UND_ERR_RES_EXCEEDED_MAX_SIZE' });

/**
 * The agent counts bytes as they arrive. Compression can multiply them by a thousand, and double compression by a million. So this counts
 * them again after decompression, and stops decompressing at the limit.
 */
function countedUnpacked(answer: UndiciResponse, maxBytes: number): Response {
  if (!answer.body || !answer.headers.has('content-encoding')) return answer as unknown as Response;
  let bytes = 0;
  const counted = (answer.body as unknown as ReadableStream<Uint8Array>).pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, stream) {
        bytes += chunk.byteLength;
        if (bytes > maxBytes) stream.error(new TypeError('terminated', { cause: tooLarge() }));
        else stream.enqueue(chunk);
      },
    }),
  );
  const { status, statusText } = answer;
  const response = new Response(counted, { status, statusText, headers: [...answer.headers] });
  return Object.defineProperty(response, 'url', { value: answer.url });
}

/** Whether a stranger's URL may lead to an address: global unicast only, which in IPv6 is 2000::/3 (RFC 4291 section 2.4). */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  return parsed.range() === 'unicast' && (parsed.kind() === 'ipv4' || parsed.match(ipaddr.parseCIDR('2000::/3') as [ipaddr.IPv6, number]));
}

/** @param openings networks that are not public and that an operator opened. */
function isAllowed(address: string, port: number, openings: readonly Opening[]): boolean {
  if (port === HTTPS && isPublicAddress(address)) return true;
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  return openings.some((opening) => {
    if (opening.port !== port) return false;
    const [network, bits] = opening.network.includes('/')
      ? ipaddr.parseCIDR(opening.network)
      : [ipaddr.process(opening.network), undefined];
    return network.kind() === parsed.kind() && parsed.match(network, bits ?? (network.kind() === 'ipv4' ? 32 : 128));
  });
}

type Judge = (address: string) => boolean;

// A literal address is never looked up, so the check in the look-up would not see it.
function isForbiddenLiteral(hostname: string, judge: Judge): boolean {
  const bare = hostname.replace(/^\[|\]$/g, '');
  return ipaddr.isValid(bare) && !judge(bare);
}

/** A look-up for sockets. It checks the same answer that the socket connects to, so a second look-up cannot return another address. */
function judged(judge: Judge, find = addressesOf) {
  type Done = (error: Error | null, addresses: { address: string; family: number }[]) => void;
  return (hostname: string, _options: object, done: Done): void => {
    find(hostname).then(
      (addresses) => (addresses.every(({ address }) => judge(address)) ? done(null, addresses) : done(new Error('address refused'), [])),
      (error) => done(error, []),
    );
  };
}

/**
 * Fetch that reaches an origin through a local listener, as a proxy would. Behind a proxy, the public address may not lead back to this
 * machine.
 * @param listener returns its address; called at each request.
 */
export function fetchThrough(listener: () => string, origin: string): typeof globalThis.fetch {
  const agent = new Agent({ connections: 32 });
  const { host } = new URL(origin);
  return async (input, init) => {
    const asked = new Request(input, init);
    const url = new URL(asked.url);
    const { statusCode, headers, body } = await request(`${listener()}${url.pathname}${url.search}`, {
      method: asked.method as 'GET',
      // fetch would send the listener's Host, but the host check expects the origin's.
      headers: { ...Object.fromEntries(asked.headers), host },
      body: asked.body ? Buffer.from(await asked.arrayBuffer()) : undefined,
      signal: asked.signal,
      dispatcher: agent,
    });
    return new Response(await body.arrayBuffer(), { status: statusCode, headers: headers as Record<string, string> });
  };
}
