import bowser from 'bowser';
import ipaddr from 'ipaddr.js';
import type { Context } from 'koa';

/**
 * Where a request came from, reduced to what is worth storing. It lets users recognize their own browsers, and is too little to track
 * anyone. Only the address is reliable.
 */
export type Visitor = {
  /** The network, not the host: /24 of IPv4, /48 of IPv6. */
  address: string;
  /** Such as `Chrome, Windows`; undefined for an unknown user agent. */
  browser: string | undefined;
  requestId: string;
};

/** Must run after onlyOurHost(), which determines the trusted address. */
export function visitorOf(ctx: Context): Visitor {
  return { address: networkOf(ctx.ip), browser: browserOf(ctx.get('user-agent')), requestId: ctx.state.requestId };
}

const KEPT_BITS = { ipv4: 24, ipv6: 48 };

function networkOf(address: string): string {
  if (!ipaddr.isValid(address)) return '';
  const parsed = ipaddr.process(address);
  const [bytes, bits] = [parsed.toByteArray(), KEPT_BITS[parsed.kind()]];
  const network = ipaddr.fromByteArray(bytes.map((byte, n) => (n < bits / 8 ? byte : 0)));
  return `${network}/${bits}`;
}

// Far longer than the header of any browser.
const LONGEST = 512;

// The header is a stranger's text, but mails and pages show the result. So only names from these lists are used.
const BROWSERS = new Set<string>(Object.values(bowser.BROWSER_MAP));
const SYSTEMS = new Set<string>(Object.values(bowser.OS_MAP));

function browserOf(userAgent: string): string | undefined {
  if (!userAgent || userAgent.length > LONGEST) return undefined;
  const { browser, os } = bowser.parse(userAgent);
  if (!BROWSERS.has(browser.name ?? '')) return undefined;
  return SYSTEMS.has(os.name ?? '') ? `${browser.name}, ${os.name}` : browser.name;
}
